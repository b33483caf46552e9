# says: There is no space left in /tmp, where the program writes /tmp/shuffle/part-0.
# at: trainer/task.py:9 in spill
import errno
import os


def spill():
    # What open says when the file system is out of inodes or blocks.
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/shuffle/part-0")


spill()
