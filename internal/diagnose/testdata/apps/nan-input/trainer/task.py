# says: The data that the program hands to scikit-learn has missing (NaN) or infinite values.
# at: trainer/task.py:5 in train
# The words of scikit-learn 1.9.
def train():
    raise ValueError('Input X contains NaN.\nLinearRegression does not accept missing values encoded as NaN natively.')


train()
