# python: 3.7
# says: The program uses syntax that this version of Python does not know yet.
# at: trainer/task.py:5
def take(rows):
    while (row := next(rows, None)) is not None:
        print(row)
