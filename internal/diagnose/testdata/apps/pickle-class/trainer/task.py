# says: The program loads an object of Model, which is not in trainer.task, where it was when the object was pickled.
# at: trainer/task.py:5
import pickle

pickle.loads(b"c__main__\nModel\n.")
