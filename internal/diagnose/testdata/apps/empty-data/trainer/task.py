# says: The file that pandas reads is empty.
# at: trainer/task.py:8 in train
# The words of pandas 3.0.
from pandas.errors import EmptyDataError


def train():
    raise EmptyDataError('No columns to parse from file')


train()
