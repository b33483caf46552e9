# memory: 157286400
# says: The kernel killed a process of the program because all of them together used more memory than they may (peak 150 MiB, limit 150 MiB).
# at: trainer/task.py:8
import subprocess
import sys

# Without the prefer of the kernel for the larger process there is no telling which one it kills.
subprocess.check_call([sys.executable, "-c", "held = []\nwhile True: held.append(bytearray(16 << 20))"])
