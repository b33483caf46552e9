# says: There is no memory for a tensor of shape [65536,65536].
# at: trainer/task.py:8 in train
# The words of TensorFlow 2.11.
from tensorflow.python.framework.errors_impl import ResourceExhaustedError


def train():
    raise ResourceExhaustedError('OOM when allocating tensor with shape[65536,65536] and type float on /job:localhost/replica:0/task:0/device:CPU:0 by allocator cpu [Op:MatMul]')


train()
