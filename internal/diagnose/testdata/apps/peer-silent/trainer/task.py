# says: Another replica did not take its part in an exchange of data in time (20000 ms).
# at: trainer/task.py:5 in train
# The words of PyTorch over gloo.
def train():
    raise RuntimeError('[/pytorch/third_party/gloo/gloo/transport/tcp/unbound_buffer.cc:84] Timed out waiting 20000ms for recv operation to complete')


train()
