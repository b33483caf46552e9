# says: A function of the program calls itself, or others that call it, without an end.
# at: trainer/task.py:4 in depth
def depth(node):
    return 1 + depth(node)


depth({})
