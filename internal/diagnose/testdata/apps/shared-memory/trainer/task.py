# says: The processes of the program share data through /dev/shm, and it is full.
# at: trainer/task.py:5 in train
# The words of PyTorch 1.8 to 1.13 with a full /dev/shm.
def train():
    raise RuntimeError('unable to write to file </torch_1234_0>')


train()
