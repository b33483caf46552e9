# says: The program wants an array of 728. TiB (shape (100000000, 1000000)), for which there is no memory.
# at: trainer/task.py:8 in train
# The words of NumPy 1.26.
from numpy.core._exceptions import _ArrayMemoryError


def train():
    raise _ArrayMemoryError('Unable to allocate 728. TiB for an array with shape (100000000, 1000000) and data type float64')


train()
