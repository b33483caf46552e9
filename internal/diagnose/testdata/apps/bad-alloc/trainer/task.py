# says: Compiled code asked for more memory than there is, and gave up (std::bad_alloc).
# at: trainer/task.py:9
# The words of GNU's C++ library.
import os
import sys

sys.stderr.write("terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n")
sys.stderr.flush()
os.abort()
