# says: A package needs libGL-of-nobody.so.1, a library of the operating system that is not on this machine.
# at: trainer/task.py:5
import ctypes

ctypes.CDLL("libGL-of-nobody.so.1")
