# says: The program, or a package of it, uses np.float, which newer versions of NumPy no longer have.
# at: trainer/task.py:5
import numpy as np

np.float(1)
