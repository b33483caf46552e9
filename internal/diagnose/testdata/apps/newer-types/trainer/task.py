# python: 3.9
# says: The program writes types as newer Pythons do (list[int], int | None), and this one does not know that yet.
# at: trainer/task.py:4
def load(names: list[str]) -> int | None:
    return None
