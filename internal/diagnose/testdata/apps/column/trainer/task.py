# says: The data has no column or label "label".
# at: trainer/task.py:5
from pandas.core.indexes.base import Index

Index(["age", "income"]).get_loc("label")
