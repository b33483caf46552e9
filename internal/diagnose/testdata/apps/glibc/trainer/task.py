# says: A compiled package needs GLIBC_2.34, and this machine's system libraries are older.
# at: trainer/task.py:5 in train
# The words of glibc's loader.
def train():
    raise ImportError("/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by /usr/lib/python3.9/site-packages/some/core.abi3.so)")


train()
