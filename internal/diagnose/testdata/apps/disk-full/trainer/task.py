# says: The disk is full.
# at: trainer/task.py:4
f = open("/dev/full", "w")
f.write("x" * 100000)
f.flush()
