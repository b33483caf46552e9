# says: Keras 3 takes only files that end in .keras (or .weights.h5 for weights alone).
# at: trainer/task.py:5 in train
# The words of Keras 3's ModelCheckpoint.
def train():
    raise ValueError('The filepath provided must end in `.keras` (Keras model format). Received: filepath=model.h5')


train()
