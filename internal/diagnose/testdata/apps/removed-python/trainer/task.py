# says: The program, or a package of it, uses collections.Mapping, which this version of Python no longer has.
# at: trainer/task.py:5
import collections

print(isinstance({}, collections.Mapping))
