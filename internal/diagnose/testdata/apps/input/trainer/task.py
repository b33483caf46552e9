# says: The program asks for input, and nobody can type into a job.
# at: trainer/task.py:3
answer = input("Delete the old model? [y/n] ")
