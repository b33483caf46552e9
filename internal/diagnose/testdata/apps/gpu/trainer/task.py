# says: The program wants a GPU that it cannot see.
# at: trainer/task.py:5 in train
# The words of PyTorch 1.10 and later.
def train():
    raise RuntimeError('Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver from http://www.nvidia.com/Download/index.aspx')


train()
