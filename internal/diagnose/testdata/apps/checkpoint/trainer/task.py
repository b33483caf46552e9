# says: The checkpoint has no variable dense_2/kernel; it was written by another model than the one that reads it.
# at: trainer/task.py:8 in train
# The words of TensorFlow 1.15.
from tensorflow.python.framework.errors_impl import NotFoundError


def train():
    raise NotFoundError('Restoring from checkpoint failed. This is most likely due to a Variable name or other graph key that is missing from the checkpoint. Please ensure that you have not altered the graph expected based on the checkpoint. Original error:\nKey dense_2/kernel not found in checkpoint')


train()
