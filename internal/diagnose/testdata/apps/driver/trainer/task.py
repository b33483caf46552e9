# says: The machine's NVIDIA driver is older than the CUDA that the program's packages were built for.
# at: trainer/task.py:5 in train
# The words of PyTorch 1.2 and later.
def train():
    raise RuntimeError('The NVIDIA driver on your system is too old (found version 10020). Please update your GPU driver by downloading and installing a new version from the URL: http://www.nvidia.com/Download/index.aspx')


train()
