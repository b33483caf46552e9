# cause: shapes
# says: Two arrays do not fit each other: operands could not be broadcast together with shapes (3,4) (5,).
# at: trainer/task.py:6 in train
# The words of NumPy 1.26.
def train():
    raise ValueError('operands could not be broadcast together with shapes (3,4) (5,) ')


train()
