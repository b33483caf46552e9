# says: The program opens gs://bucket/data.csv with open(), which knows only local files.
# at: trainer/task.py:3
open("gs://bucket/data.csv")
