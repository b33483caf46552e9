# says: The program runs a command, ffmpeg-of-nobody, which is not on this machine, or may not be run.
# at: trainer/task.py:5
import subprocess

subprocess.check_call(["ffmpeg-of-nobody", "-version"])
