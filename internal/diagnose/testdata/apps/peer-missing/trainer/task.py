# says: The workers did not find each other in time (1/2 of them did).
# at: trainer/task.py:8 in train
# The words of PyTorch 2.1 and later.
from torch.distributed import DistStoreError


def train():
    raise DistStoreError('Timed out after 61 seconds waiting for clients. 1/2 clients joined.')


train()
