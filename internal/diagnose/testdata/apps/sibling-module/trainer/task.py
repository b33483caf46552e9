# says: The program imports utils, and nothing that is installed has a module of that name.
# at: trainer/task.py:3
import utils
