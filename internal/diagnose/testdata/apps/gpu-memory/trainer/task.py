# says: The GPU has no memory left for what the program wants to put there.
# at: trainer/task.py:8 in train
# The words of PyTorch 2.5 and later.
from torch import OutOfMemoryError


def train():
    raise OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 14.74 GiB of which 1.05 GiB is free.')


train()
