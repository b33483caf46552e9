# python: 3.12
# says: The program, or a package of it, imports imp, which this version of Python no longer has (distutils, imp and asyncore went with 3.12, others with 3.13).
# at: trainer/task.py:4
import imp
