# says: The program loads a PyTorch file that was saved on a GPU which is not here.
# at: trainer/task.py:5 in train
# The words of PyTorch 1.0 and later.
def train():
    raise RuntimeError("Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you are running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map your storages to the CPU.")


train()
