# says: The program's packages have no code for this kind of GPU.
# at: trainer/task.py:5 in train
# The words of PyTorch 1.5 and later.
def train():
    raise RuntimeError('CUDA error: no kernel image is available for execution on the device\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.')


train()
