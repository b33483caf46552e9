# says: The program imports xgboost.dask_of_nobody; xgboost is there, and the version that is installed has no such module.
# at: trainer/task.py:3
import xgboost.dask_of_nobody
