# says: There is no memory left for what the program wants.
# at: trainer/task.py:6
import resource

resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
bytearray(4 << 30)
