# says: The program hands function <lambda> to another process or a file, and that cannot be pickled.
# at: trainer/task.py:5
import pickle

pickle.dumps(lambda: 1, protocol=4)
