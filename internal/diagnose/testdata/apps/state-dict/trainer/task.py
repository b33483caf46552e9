# says: The saved weights do not belong to this model, Net.
# at: trainer/task.py:5 in train
# The words of PyTorch 2.
def train():
    raise RuntimeError('Error(s) in loading state_dict for Net:\n\tsize mismatch for fc.weight: copying a param with shape torch.Size([10, 84]) from checkpoint, the shape in current model is torch.Size([100, 84]).')


train()
