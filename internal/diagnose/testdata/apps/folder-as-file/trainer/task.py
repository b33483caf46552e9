# says: The program opens /etc/ as a file, and it is a folder.
# at: trainer/task.py:3
open("/etc/")
