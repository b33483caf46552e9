# cause: shapes
# says: Two arrays do not fit each other: Input 0 of layer "dense" is incompatible with the layer: expected axis -1 of input shape to have value 4, but received input with shape (None, 5).
# at: trainer/task.py:6 in train
# The words of Keras 2.7 and later.
def train():
    raise ValueError('Input 0 of layer "dense" is incompatible with the layer: expected axis -1 of input shape to have value 4, but received input with shape (None, 5)')


train()
