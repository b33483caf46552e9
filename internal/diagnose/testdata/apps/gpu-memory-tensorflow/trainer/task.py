# cause: gpu-memory
# says: The GPU has no memory left for what the program wants to put there.
# at: trainer/task.py:9 in train
# The words of TensorFlow 2.11.
from tensorflow.python.framework.errors_impl import ResourceExhaustedError


def train():
    raise ResourceExhaustedError('OOM when allocating tensor with shape[4096,4096] and type float on /job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc [Op:MatMul]')


train()
