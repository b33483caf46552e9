# says: The file holds pickled objects, which the library no longer loads by itself.
# at: trainer/task.py:5 in train
# The words of NumPy 1.16.3 and later.
def train():
    raise ValueError('Object arrays cannot be loaded when allow_pickle=False')


train()
