# says: Compiled code in one of the packages uses an instruction that this machine's processor does not have (SIGILL).
# at: trainer/task.py:12 in fit
import ctypes
import mmap
import platform


def fit():
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    # ud2 and udf: an instruction that no processor has
    code.write(b"\x0f\x0b" if platform.machine() in ("x86_64", "AMD64") else b"\x00\x00\x00\x00")
    ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()


fit()
