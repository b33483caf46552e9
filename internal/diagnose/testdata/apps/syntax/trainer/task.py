# says: A file of the program is not valid for this version of Python: SyntaxError: invalid syntax.
# at: trainer/task.py:3
def f(:
    pass
