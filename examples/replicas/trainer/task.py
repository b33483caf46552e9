"""Fits a line to points by gradient descent, every replica on its own part.

In each step the workers send their gradients to the master, which averages
them, moves, and sends the new line back: synchronous data parallelism, in the
standard library. RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT are all that a
replica needs to know; CLUSTER_SPEC and TF_CONFIG say the same and more.
"""
import argparse
import os
import random
import time
from multiprocessing.connection import Client, Listener


def gradient(line, points):
    """The gradient of the mean squared error, and the error."""
    a, b = line
    errors = [(a * x + b - y, x) for x, y in points]
    n = len(points)
    return [2 * sum(e * x for e, x in errors) / n, 2 * sum(e for e, _ in errors) / n], sum(e * e for e, _ in errors) / n


def connect(address):
    for _ in range(100):  # the master may not listen yet
        try:
            return Client(address)
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise SystemExit("the master does not answer at %s:%d" % address)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--job-dir")
    args = parser.parse_args()

    if "RANK" not in os.environ:  # a parameter server or an evaluator: this program has nothing for it to do
        print("waiting for the end of the job", flush=True)
        while True:
            time.sleep(60)
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    draw = random.Random(rank)  # each replica has points of its own
    points = [(x, 3 * x - 1 + draw.gauss(0, 0.1)) for x in (draw.uniform(-1, 1) for _ in range(10000 // world))]
    line = [0.0, 0.0]
    print("replica %d of %d has %d points" % (rank, world, len(points)), flush=True)

    if rank > 0:
        master = connect(address)
        for _ in range(args.steps):
            master.send(gradient(line, points))
            line = master.recv()
        return
    with Listener(address, backlog=world) as listener:
        workers = [listener.accept() for _ in range(world - 1)]
    for step in range(1, args.steps + 1):
        all_ = [gradient(line, points)] + [w.recv() for w in workers]
        mean = [sum(g[i] for g, _ in all_) / world for i in range(2)]
        line = [p - args.rate * g for p, g in zip(line, mean)]
        for w in workers:
            w.send(line)
        if step % 50 == 0:
            print("step %d: error %.4f" % (step, sum(e for _, e in all_) / world), flush=True)
    print("y = %.2f x %+.2f" % tuple(line))


if __name__ == "__main__":
    main()
