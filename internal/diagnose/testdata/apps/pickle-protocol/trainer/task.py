# python: 3.7
# says: The program loads a pickle of protocol 5, which a newer Python wrote and this one cannot read.
# at: trainer/task.py:6
import pickle

pickle.loads(b"\x80\x05.")
