# says: The program needs libcublas.so.10.0, which belongs to CUDA and is not on this machine.
# at: trainer/task.py:5 in train
# The words of TensorFlow 1.15 with GPU, without CUDA 10.0.
def train():
    raise ImportError('libcublas.so.10.0: cannot open shared object file: No such file or directory')


train()
