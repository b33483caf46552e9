# says: The program uses xrange, which only Python 2 has.
# at: trainer/task.py:3
for i in xrange(3):
    print(i)
