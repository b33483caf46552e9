# says: Another replica went away while this one was exchanging data with it.
# at: trainer/task.py:5 in train
# The words of PyTorch 2.0 over gloo.
def train():
    raise RuntimeError('[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:53524')


train()
