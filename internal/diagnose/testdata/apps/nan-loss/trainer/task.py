# says: The loss became NaN or infinite, and the program gave up.
# at: trainer/task.py:8 in train
# The words of TensorFlow 1.15's Estimator.
from tensorflow.python.training.basic_session_run_hooks import NanLossDuringTrainingError


def train():
    raise NanLossDuringTrainingError('NaN loss during training.')


train()
