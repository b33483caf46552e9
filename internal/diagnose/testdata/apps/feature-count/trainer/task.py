# says: The model was trained with other features than it is given now (1 before, 2 now).
# at: trainer/task.py:5 in train
# The words of scikit-learn 1.9.
def train():
    raise ValueError('X has 2 features, but LinearRegression is expecting 1 features as input.')


train()
