# says: Compiled code divided a whole number by zero (SIGFPE).
# at: trainer/task.py:6
import os
import signal

os.kill(os.getpid(), signal.SIGFPE)
