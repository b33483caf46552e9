"""ParameterServerStrategy: the chief coordinates, workers compute, parameter servers hold."""
import argparse
import json
import os

import numpy as np
import tensorflow as tf

parser = argparse.ArgumentParser()
parser.add_argument('--job-dir', required=True)
args = parser.parse_args()

resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
print('TensorFlow', tf.__version__, 'is', resolver.task_type, resolver.task_id, flush=True)
if resolver.task_type in ('worker', 'ps'):
    server = tf.distribute.Server(resolver.cluster_spec(), job_name=resolver.task_type, task_index=resolver.task_id, protocol='grpc', start=True)
    server.join()  # never returns: the chief's end is the job's

strategy = tf.distribute.experimental.ParameterServerStrategy(resolver, variable_partitioner=tf.distribute.experimental.partitioners.FixedShardsPartitioner(1))
with strategy.scope():
    model = tf.keras.Sequential([tf.keras.layers.Input((8,)), tf.keras.layers.Dense(1)])
    model.compile(optimizer=tf.keras.optimizers.legacy.SGD(0.05), loss='mse')


def dataset(context=None):
    rng = np.random.RandomState(1)
    x = rng.normal(size=(1024, 8)).astype('float32')
    y = (x @ np.arange(8, dtype='float32')[:, None]).astype('float32')
    return tf.data.Dataset.from_tensor_slices((x, y)).shuffle(64).repeat().batch(64)


history = model.fit(tf.keras.utils.experimental.DatasetCreator(dataset), epochs=4, steps_per_epoch=20, verbose=0)
loss = history.history['loss']
print('loss %.5f -> %.5f' % (loss[0], loss[-1]), flush=True)
assert loss[-1] < loss[0], loss
with tf.io.gfile.GFile(os.path.join(args.job_dir, 'loss.json'), 'w') as f:
    json.dump(loss, f)
print('trained together', flush=True)
