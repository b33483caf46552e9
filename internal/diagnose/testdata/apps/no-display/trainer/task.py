# says: The program wants to open a window, and a job has no display.
# at: trainer/task.py:5
from matplotlib import pyplot

pyplot.switch_backend("TkAgg")
