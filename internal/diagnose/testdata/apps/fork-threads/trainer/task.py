# cause: fork
# says: The program may not start another process or thread; it has reached the limit of them.
# at: trainer/task.py:8
import threading

# A stack for which there is no room: what a machine at its limit of threads says.
threading.stack_size(1 << 46)
threading.Thread(target=print).start()
