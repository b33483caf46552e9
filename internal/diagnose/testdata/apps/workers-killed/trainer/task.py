# says: A worker process of the program (joblib, a process pool or a DataLoader) was killed or crashed.
# at: trainer/task.py:14
import concurrent.futures
import os
import signal


def work(n):
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        print(pool.submit(work, 1).result())
