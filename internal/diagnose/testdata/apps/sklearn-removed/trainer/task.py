# says: The program uses Imputer of scikit-learn, which newer versions no longer have.
# at: trainer/task.py:3
from sklearn.preprocessing import Imputer
