# cause: column
# says: The data has no column or label "['label']".
# at: trainer/task.py:6
from pandas.core.indexes.base import Index

Index(["age"])._raise_if_missing(["label"])
