# says: The program has Python 2's syntax: Missing parentheses in call to 'print'.
# at: trainer/task.py:3
print "hello from Python 2"
