# says: A replica that this one must talk to does not answer at 127.0.0.1:2222.
# at: trainer/task.py:8 in train
# The words of TensorFlow 2.11 over gRPC.
from tensorflow.python.framework.errors_impl import UnavailableError


def train():
    raise UnavailableError('failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:2222: Failed to connect to remote host: Connection refused')


train()
