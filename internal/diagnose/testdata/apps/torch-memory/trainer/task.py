# says: PyTorch wants 400000000000 bytes more, for which there is no memory.
# at: trainer/task.py:5 in train
# The words of PyTorch 2.
def train():
    raise RuntimeError("[enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: can't allocate memory: you tried to allocate 400000000000 bytes. Error code 12 (Cannot allocate memory)")


train()
