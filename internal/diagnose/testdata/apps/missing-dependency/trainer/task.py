# says: The program imports sklearn_of_nobody, which is neither in its packages nor installed as a dependency of one.
# at: trainer/task.py:3
import sklearn_of_nobody.tree
