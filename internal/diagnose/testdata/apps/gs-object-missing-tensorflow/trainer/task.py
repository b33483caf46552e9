# cause: gs-object-missing
# says: There is no gs://data/train.tfrecord.
# at: trainer/task.py:9 in train
# The words of TensorFlow 2.11.
from tensorflow.python.framework.errors_impl import NotFoundError


def train():
    raise NotFoundError('NewRandomAccessFile failed to Create/Open: gs://data/train.tfrecord : Error executing an HTTP request: HTTP response code 404')


train()
