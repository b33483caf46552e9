# says: The program gives Keras arguments that this version does not know ('lr': 0.001).
# at: trainer/task.py:5 in train
# The words of Keras 3.
def train():
    raise ValueError("Argument(s) not recognized: {'lr': 0.001}")


train()
