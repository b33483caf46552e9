# says: The program opens data/train.csv by a relative path. Its working directory is an empty folder, not the source folder.
# at: trainer/task.py:3
open("data/train.csv")
