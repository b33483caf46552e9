# says: The program is written for Python 2: Missing parentheses in call to 'print'.
# at: trainer/task.py:3
print "hello from Python 2"
