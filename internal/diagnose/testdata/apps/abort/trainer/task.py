# says: Compiled code in the program or in one of its packages gave up (SIGABRT); its last lines usually say why.
# at: trainer/task.py:5
import os

os.abort()
