# says: The program may not start another process or thread; it has reached the limit of them.
# at: trainer/task.py:9 in start
import errno
import os


def start():
    # What fork says at the limit of processes, which does not hold for root.
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


start()
