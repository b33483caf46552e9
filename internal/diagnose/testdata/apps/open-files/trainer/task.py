# says: The program has more files and connections open than it may.
# at: trainer/task.py:8
import resource

resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
held = []
while True:
    held.append(open("/dev/null"))
