# says: Somebody or something killed the program with SIGKILL; there is no sign that the job's own memory limit was the reason.
import os
import signal

os.kill(os.getpid(), signal.SIGKILL)
