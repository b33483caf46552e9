# says: A compiled package was built for another version of NumPy than the one that is installed.
# at: trainer/task.py:5 in train
# The words of a module that was compiled with NumPy 2, on NumPy 1.26.
def train():
    raise ValueError('numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, got 88 from PyObject')


train()
