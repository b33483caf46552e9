# says: The program looks for /home/nobody-here/data/train.csv, a path of another machine that does not exist on this one.
# at: trainer/task.py:3
open("/home/nobody-here/data/train.csv")
