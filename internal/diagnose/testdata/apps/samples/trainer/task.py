# says: The data and its labels have different lengths, [100, 99].
# at: trainer/task.py:5 in train
# The words of scikit-learn 1.9.
def train():
    raise ValueError('Found input variables with inconsistent numbers of samples: [100, 99]')


train()
