# says: The program ran ['sh', '-c', 'kill -9 $$'], which was killed by SIGKILL.
# at: trainer/task.py:5
import subprocess

subprocess.check_call(["sh", "-c", "kill -9 $$"])
