"""Learns to tell pieces of clothing apart from pictures in a bucket, with
TensorFlow 1.15 or any later one, and keeps the model in the job-dir."""

import argparse
import gzip
import json
import logging

import numpy as np
import tensorflow as tf


def read(data, name):
    with tf.io.gfile.GFile(data.rstrip('/') + '/' + name, 'rb') as f:
        raw = gzip.decompress(f.read())
    dimensions = raw[3]
    shape = [int.from_bytes(raw[4 + 4 * i:8 + 4 * i], 'big') for i in range(dimensions)]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def load(data, part, most):
    images = read(data, part + '-images-idx3-ubyte.gz')[:most]
    labels = read(data, part + '-labels-idx1-ubyte.gz')[:most]
    return images.astype('float32') / 255, labels.astype('int32')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--job-dir', required=True)
    parser.add_argument('--data', required=True, help='where the four files of the data set are')
    parser.add_argument('--epochs', type=int, default=3)
    parser.add_argument('--examples', type=int, default=60000)
    args = parser.parse_args()

    train, test = load(args.data, 'train', args.examples), load(args.data, 't10k', args.examples)
    logging.warning('TensorFlow %s; %d pictures to train on, %d to test on', tf.__version__, len(train[1]), len(test[1]))
    model = tf.keras.Sequential([
        tf.keras.layers.Flatten(input_shape=(28, 28)),
        tf.keras.layers.Dense(128, activation='relu'),
        tf.keras.layers.Dense(10, activation='softmax'),
    ])
    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
    for epoch in range(args.epochs):
        history = model.fit(train[0], train[1], batch_size=64, verbose=0).history
        logging.warning('epoch %d/%d: loss %.4f', epoch + 1, args.epochs, history['loss'][0])
    loss, accuracy = model.evaluate(test[0], test[1], verbose=0)

    job_dir = args.job_dir.rstrip('/')
    tf.io.gfile.makedirs(job_dir)
    model.save('model.h5')
    tf.io.gfile.copy('model.h5', job_dir + '/model.h5', overwrite=True)
    with tf.io.gfile.GFile(job_dir + '/metrics.json', 'w') as f:
        f.write(json.dumps({'loss': float(loss), 'accuracy': float(accuracy)}))
    logging.warning('test accuracy %.3f; the model is %s/model.h5', accuracy, job_dir)


if __name__ == '__main__':
    main()
