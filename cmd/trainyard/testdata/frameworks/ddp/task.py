"""PyTorch's DistributedDataParallel over gloo: init_process_group() takes all from the environment."""
import argparse
import os

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

parser = argparse.ArgumentParser()
parser.add_argument('--job-dir')
args = parser.parse_args()

dist.init_process_group('gloo')
rank, world = dist.get_rank(), dist.get_world_size()
print('PyTorch', torch.__version__, 'is rank', rank, 'of', world, 'local rank', os.environ.get('LOCAL_RANK'), flush=True)
torch.manual_seed(1)
x = torch.randn(1024, 8)
y = x @ torch.arange(8.0)[:, None]
model = DistributedDataParallel(torch.nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
mine = slice(rank, None, world)
for step in range(100):
    optimizer.zero_grad()
    loss = ((model(x[mine]) - y[mine]) ** 2).mean()
    loss.backward()
    optimizer.step()
total = torch.tensor([loss.item()])
dist.all_reduce(total)
print('rank %d: loss %.6f, of all %.6f' % (rank, loss.item(), total.item() / world), flush=True)
assert total.item() / world < 1e-2
weights = [torch.zeros_like(model.module.weight) for _ in range(world)]
dist.all_gather(weights, model.module.weight.detach())
assert all(torch.equal(w, weights[0]) for w in weights), 'the ranks hold different models'
dist.barrier()
if rank == 0:
    print('trained together', flush=True)
dist.destroy_process_group()
