# says: The program loads a pickle that is empty or ends too early.
# at: trainer/task.py:5
import pickle

pickle.loads(b"")
