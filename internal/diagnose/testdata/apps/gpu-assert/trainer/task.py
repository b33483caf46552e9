# says: Code on the GPU found an index out of its range, most often a label or a token that is not below the number of classes or of embeddings.
# at: trainer/task.py:5 in train
# The words of PyTorch 1.9 and later.
def train():
    raise RuntimeError('CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1.')


train()
