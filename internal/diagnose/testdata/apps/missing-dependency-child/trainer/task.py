# cause: missing-dependency
# says: The program imports catboost_of_nobody, which is neither in its packages nor installed as a dependency of one.
# at: trainer/task.py:7
import subprocess
import sys

subprocess.check_call([sys.executable, "-c", "import catboost_of_nobody"])
