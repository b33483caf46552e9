# cause: nan-xgboost
# says: The data that the program hands to XGBoost has infinite values, or its labels have missing ones.
# at: trainer/task.py:9 in train
# The words of XGBoost 2 and 3.
from xgboost.core import XGBoostError


def train():
    raise XGBoostError(
        "[10:00:00] /workspace/src/data/data.cc:514: Check failed: valid: Label contains NaN, infinity or a value too large.\nStack trace:\n  [bt] (0) libxgboost.so")


train()
