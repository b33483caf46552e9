# says: Two arrays do not fit each other: mat1 and mat2 shapes cannot be multiplied (32x784 and 100x10).
# at: trainer/task.py:5 in train
# The words of PyTorch 1.8 and later.
def train():
    raise RuntimeError('mat1 and mat2 shapes cannot be multiplied (32x784 and 100x10)')


train()
