# cause: pickle-local
# says: The program hands _thread.lock to another process or a file, and that cannot be pickled.
# at: trainer/task.py:7
import multiprocessing.reduction
import threading

multiprocessing.reduction.ForkingPickler.dumps({"lock": threading.Lock()})
