# says: The program uses append of pandas, which newer versions no longer have.
# at: trainer/task.py:5
from pandas.core.generic import DataFrame

DataFrame().append(DataFrame())
