# python: 3.9
# says: The program uses syntax that this version of Python does not know yet.
# at: trainer/task.py:5
def kind(x):
    match x:
        case 1:
            return "one"
