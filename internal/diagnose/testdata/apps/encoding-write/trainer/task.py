# says: The program writes text as ascii, which does not have its characters: '\xe9' in position 3.
# at: trainer/task.py:6
import tempfile

with tempfile.TemporaryFile("w", encoding="ascii") as f:
    f.write("café")
