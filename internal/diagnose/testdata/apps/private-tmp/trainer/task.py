# says: The program looks for /tmp/data-of-nobody.csv. Each replica has a /tmp of its own, which is empty when it starts.
# at: trainer/task.py:3
open("/tmp/data-of-nobody.csv")
