"""Learns to tell pieces of clothing apart with PyTorch, 1.4 or any later one,
from pictures in a bucket, and keeps the model in the job-dir."""
import argparse
import gzip
import io
import json

import gcsfs
import numpy as np
import torch

parser = argparse.ArgumentParser()
parser.add_argument("--job-dir", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--examples", type=int, default=10000)
args = parser.parse_args()
files = gcsfs.GCSFileSystem()


def read(name):
    with files.open(args.data.rstrip("/") + "/" + name, "rb") as f:
        raw = gzip.decompress(f.read())
    shape = [int.from_bytes(raw[4 + 4 * i:8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)[:args.examples]


def load(part):
    images, labels = read(part + "-images-idx3-ubyte.gz"), read(part + "-labels-idx1-ubyte.gz")
    return torch.tensor(images.reshape(len(images), -1) / 255, dtype=torch.float32), torch.tensor(labels.astype("int64"))


torch.manual_seed(1)
(x, y), (x_test, y_test) = load("train"), load("t10k")
net = torch.nn.Sequential(torch.nn.Linear(784, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
optimizer = torch.optim.Adam(net.parameters())
for batch in torch.randperm(len(x)).split(64):
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
    optimizer.step()
with torch.no_grad():
    accuracy = (net(x_test).argmax(1) == y_test).float().mean().item()
model = io.BytesIO()
torch.save(net.state_dict(), model)
for name, content in ("model.pt", model.getvalue()), ("metrics.json", json.dumps({"accuracy": accuracy}).encode()):
    with files.open(args.job_dir.rstrip("/") + "/" + name, "wb") as f:
        f.write(content)
print("PyTorch %s; %d pictures; test accuracy %.3f" % (torch.__version__, len(x), accuracy))
assert accuracy > 0.6
