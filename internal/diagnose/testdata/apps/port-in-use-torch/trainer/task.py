# cause: port-in-use
# says: The program wants to listen on a port that another program has, 29500.
# at: trainer/task.py:9 in train
# The words of PyTorch 2.6.
from torch.distributed import DistNetworkError


def train():
    raise DistNetworkError('The server socket has failed to listen on any local network address. port: 29500, useIpv6: false, code: -98, name: EADDRINUSE, message: address already in use')


train()
