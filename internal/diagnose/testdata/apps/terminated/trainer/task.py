# says: Somebody other than Trainyard sent the program SIGTERM.
import os
import signal

os.kill(os.getpid(), signal.SIGTERM)
