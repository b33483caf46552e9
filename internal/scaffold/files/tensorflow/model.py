"""The data, the model and how good it is. Replace them by yours."""

import logging
import os
import tempfile

import tensorflow as tf
from sklearn import datasets
from sklearn import model_selection


def load_data(seed):
    """The handwritten digits that scikit-learn ships, a fifth of them for testing."""
    digits = datasets.load_digits()
    return model_selection.train_test_split(digits.data / 16.0, digits.target, test_size=0.2, random_state=seed)


class Report(tf.keras.callbacks.Callback):
    """One line of the log for each epoch."""

    def on_epoch_end(self, epoch, logs=None):
        logging.info('epoch %d: %s', epoch + 1, ', '.join('%s %.4f' % kv for kv in sorted((logs or {}).items())))


def train(epochs, learning_rate, seed):
    tf.keras.utils.set_random_seed(seed)
    x, x_test, y, y_test = load_data(seed)
    net = tf.keras.Sequential([
        tf.keras.Input((64,)), tf.keras.layers.Dense(64, activation='relu'), tf.keras.layers.Dense(10, activation='softmax')])
    net.compile(tf.keras.optimizers.Adam(learning_rate), 'sparse_categorical_crossentropy', metrics=['accuracy'])
    net.fit(x, y, epochs=epochs, validation_data=(x_test, y_test), verbose=0, callbacks=[Report()])
    return net, {'accuracy': float(net.evaluate(x_test, y_test, verbose=0)[1]), 'epochs': epochs}


def export(net):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'model.keras')
        net.save(path)
        with open(path, 'rb') as f:
            return {'model.keras': f.read()}
