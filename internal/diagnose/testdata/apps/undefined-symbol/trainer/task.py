# says: /opt/site-packages/torchvision/_C.so was compiled against another version of a library than the one that is installed: there is no _ZN3c1017RegisterOperatorsD1Ev.
# at: trainer/task.py:5 in train
# The words of glibc's loader, for a torchvision that was built for another torch.
def train():
    raise ImportError('/opt/site-packages/torchvision/_C.so: undefined symbol: _ZN3c1017RegisterOperatorsD1Ev')


train()
