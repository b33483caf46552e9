# says: One of the processes that torchrun started, rank 3, was killed by a signal.
# at: trainer/task.py:30 in launch
# The words of PyTorch 2.
class ChildFailedError(Exception):
    pass


ChildFailedError.__module__ = 'torch.distributed.elastic.multiprocessing.errors'


def launch():
    failures = '''
============================================================
trainer.train FAILED
------------------------------------------------------------
Failures:
[1]:
  rank      : 2 (local_rank: 0)
  exitcode  : -15 (pid: 30297)  (SIGTERM)
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-11-25_20:18:02
  host      : localhost
  rank      : 3 (local_rank: 1)
  exitcode  : -9 (pid: 30299)  (SIGKILL)
  error_file: <N/A>
  traceback : Signal 9 (SIGKILL) received by PID 30299
============================================================'''
    raise ChildFailedError(failures)


launch()
