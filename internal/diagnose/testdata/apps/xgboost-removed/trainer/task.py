# says: The program hands early_stopping_rounds to fit(), where this version of XGBoost no longer takes it.
# at: trainer/task.py:5
from xgboost.core import XGBClassifier, inner_f

inner_f(XGBClassifier().fit, X=[[0]], y=[0], early_stopping_rounds=3)
