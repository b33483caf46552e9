# says: The program imports sklearn.cross_validation, which scikit-learn removed in 0.20.
# at: trainer/task.py:3
from sklearn.cross_validation import train_test_split
