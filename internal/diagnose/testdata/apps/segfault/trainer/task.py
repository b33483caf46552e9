# says: Compiled code in the program or in one of its packages crashed (SIGSEGV).
# at: trainer/task.py:7 in predict
import ctypes


def predict():
    ctypes.string_at(0)


predict()
