# says: A library of the program needs fsspec for what the program does, and it is not installed.
# at: trainer/task.py:5
import pandas.compat

pandas.compat.import_optional_dependency("fsspec")
