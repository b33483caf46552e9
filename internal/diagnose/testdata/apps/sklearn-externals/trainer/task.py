# says: The program uses sklearn.externals, of which scikit-learn 0.23 removed joblib and six.
# at: trainer/task.py:3
from sklearn.externals import joblib
