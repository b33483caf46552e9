# says: The program may not read, write or make /var/lib/model.
# at: trainer/task.py:7
import errno
import os

# What open says to one who is not root.
raise OSError(errno.EACCES, os.strerror(errno.EACCES), "/var/lib/model")
