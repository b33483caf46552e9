"""XGBoost with its own collective: a tracker on the master, every replica a worker of it."""
import json
import os
import threading
import time

import numpy as np
import xgboost as xgb
from xgboost import collective
from xgboost.tracker import RabitTracker

rank, world = int(os.environ['RANK']), int(os.environ['WORLD_SIZE'])
host, port = os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT'])
if rank == 0:
    tracker = RabitTracker(n_workers=world, host_ip=host, port=port)
    tracker.start()
    waiting = threading.Thread(target=tracker.wait_for, daemon=True)
    waiting.start()
args = {'dmlc_tracker_uri': host, 'dmlc_tracker_port': port, 'dmlc_task_id': str(rank), 'dmlc_retry': 20}
x = np.random.RandomState(rank).normal(size=(2000, 8))
y = x @ np.arange(8)
with collective.CommunicatorContext(**args):
    print('XGBoost', xgb.__version__, 'is', collective.get_rank(), 'of', collective.get_world_size(), flush=True)
    result = {}
    booster = xgb.train({'tree_method': 'hist', 'nthread': 1}, xgb.DMatrix(x, y), 20, evals=[(xgb.DMatrix(x, y), 'train')], evals_result=result, verbose_eval=False)
    model = collective.allreduce(np.array([len(booster.get_dump()[0])]), collective.Op.SUM)
    rmse = result['train']['rmse']
    print('rmse %.3f -> %.3f' % (rmse[0], rmse[-1]), flush=True)
    assert rmse[-1] < rmse[0] / 2
if rank == 0:
    print('trained together', flush=True)
