# cause: nan-loss
# says: The loss became NaN or infinite, and the program gave up.
# at: trainer/task.py:6 in train
# The words of PyTorch 2 with autograd.detect_anomaly.
def train():
    raise RuntimeError("Function 'LogBackward0' returned nan values in its 0th output.")


train()
