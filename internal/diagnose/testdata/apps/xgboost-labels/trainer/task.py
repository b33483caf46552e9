# says: XGBoost wants the labels [0 1], and got [1 2].
# at: trainer/task.py:5 in train
# The words of XGBoost 3.2.
def train():
    raise ValueError('Invalid classes inferred from unique values of `y`.  Expected: [0 1], got [1 2]')


train()
