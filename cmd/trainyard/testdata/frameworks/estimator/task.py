"""An Estimator's train_and_evaluate with master, workers, parameter servers and an evaluator."""
import argparse
import json
import os

import numpy as np
import tensorflow as tf

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.INFO)
parser = argparse.ArgumentParser()
parser.add_argument('--job-dir', required=True)
args = parser.parse_args()

config = json.loads(os.environ['TF_CONFIG'])
task = config['task']
print('TensorFlow', tf.__version__, 'is', task['type'], task['index'], flush=True)
# An Estimator takes an evaluator beside a chief only; the service calls the
# primary master for this version, and programs that wanted both renamed it.
config['cluster']['chief'] = config['cluster'].pop('master')
task['type'] = {'master': 'chief'}.get(task['type'], task['type'])
os.environ['TF_CONFIG'] = json.dumps(config)
x = np.random.RandomState(1).normal(size=(1024, 8)).astype('float32')
y = x.dot(np.arange(8, dtype='float32'))[:, None]


def data(repeat):
    def make():
        d = tf.data.Dataset.from_tensor_slices(({'x': x}, y))
        return d.shuffle(256).repeat().batch(64) if repeat else d.batch(64)
    return make


estimator = tf.estimator.LinearRegressor(
    [tf.feature_column.numeric_column('x', (8,))], optimizer=tf.compat.v1.train.GradientDescentOptimizer(0.002),
    config=tf.estimator.RunConfig(model_dir=args.job_dir, save_checkpoints_steps=100))
tf.estimator.train_and_evaluate(
    estimator, tf.estimator.TrainSpec(data(True), max_steps=400), tf.estimator.EvalSpec(data(False), steps=None, start_delay_secs=1, throttle_secs=1))
print('trained together', flush=True)
