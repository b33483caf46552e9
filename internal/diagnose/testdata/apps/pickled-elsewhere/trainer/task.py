# says: The program loads an object that was pickled with another version of a library; numpy._core does not exist in the one that is installed.
# at: trainer/task.py:6
import pickle

# As NumPy 2 writes an array's class, read by NumPy 1.
pickle.loads(b"cnumpy._core.multiarray\n_reconstruct\n.")
