# says: All labels that the program trains on are the same.
# at: trainer/task.py:5 in train
# The words of scikit-learn 1.9.
def train():
    raise ValueError('This solver needs samples of at least 2 classes in the data, but the data contains only one class: 1')


train()
