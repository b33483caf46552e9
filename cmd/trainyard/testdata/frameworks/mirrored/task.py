"""MultiWorkerMirroredStrategy: chief and workers train one model together."""
import argparse
import json
import os

import numpy as np
import tensorflow as tf

parser = argparse.ArgumentParser()
parser.add_argument('--job-dir', required=True)
args = parser.parse_args()

config = json.loads(os.environ['TF_CONFIG'])
task = config['task']
print('TensorFlow', tf.__version__, 'is', task['type'], task['index'], 'of', {k: len(v) for k, v in config['cluster'].items()}, flush=True)
strategy = tf.distribute.MultiWorkerMirroredStrategy()
print('replicas in sync', strategy.num_replicas_in_sync, flush=True)

rng = np.random.RandomState(1)
x = rng.normal(size=(1024, 8)).astype('float32')
y = (x @ np.arange(8, dtype='float32')[:, None]).astype('float32')


def data(context):
    return tf.data.Dataset.from_tensor_slices((x, y)).shard(context.num_input_pipelines, context.input_pipeline_id).repeat().batch(context.get_per_replica_batch_size(96))


# A loop of one's own: fit() of Keras 3 does not train over several workers.
with strategy.scope():
    w = tf.Variable(tf.zeros((8, 1)), aggregation=tf.VariableAggregation.MEAN)


def step(batch):
    features, labels = batch
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((features @ w - labels) ** 2)
    gradient = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, tape.gradient(loss, w))
    w.assign_sub(0.05 * gradient)
    return loss


@tf.function
def train(batch):
    return strategy.reduce(tf.distribute.ReduceOp.MEAN, strategy.run(step, (batch,)), axis=None)


batches = iter(strategy.distribute_datasets_from_function(data))
losses = [float(train(next(batches))) for _ in range(60)]
print('loss %.5f -> %.5f' % (losses[0], losses[-1]), flush=True)
assert losses[-1] < losses[0] / 10, losses
# Every replica writes, as collective saving asks for; only the chief's counts.
weights = w.numpy().ravel()
assert abs(weights - np.arange(8)).max() < 0.5, weights
place = args.job_dir if task['type'] in ('chief', 'master') else os.path.join(args.job_dir, 'others', str(task['index']))
with tf.io.gfile.GFile(os.path.join(place, 'weights.json'), 'w') as f:
    json.dump([float(w) for w in weights], f)
print('trained together', flush=True)
