# says: There is no gs://data/train.csv.
# at: trainer/task.py:5
from gcsfs.core import _info

_info("data/train.csv")
