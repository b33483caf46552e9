# says: The program touched memory that is not there (SIGBUS); a full /dev/shm, or a mapped file that somebody cut, does that.
# at: trainer/task.py:10
import mmap
import tempfile

f = tempfile.TemporaryFile()
f.truncate(1 << 20)
data = mmap.mmap(f.fileno(), 1 << 20)
f.truncate(0)
print(data[4096])
