# says: The program writes /usr/share/model to a file system that is read-only.
# at: trainer/task.py:6
import errno
import os

raise OSError(errno.EROFS, os.strerror(errno.EROFS), "/usr/share/model")
