"""The data, the model and how good it is. Replace them by yours."""

import io
import logging

import joblib
import numpy as np
from sklearn import datasets
from sklearn import linear_model
from sklearn import model_selection


def load_data(seed):
    """The handwritten digits that scikit-learn ships, a fifth of them for testing."""
    digits = datasets.load_digits()
    return model_selection.train_test_split(digits.data / 16.0, digits.target, test_size=0.2, random_state=seed)


def train(epochs, learning_rate, seed):
    x, x_test, y, y_test = load_data(seed)
    classifier = linear_model.SGDClassifier(learning_rate='constant', eta0=learning_rate, random_state=seed)
    for epoch in range(1, epochs + 1):
        classifier.partial_fit(x, y, classes=np.unique(y))
        logging.info('epoch %d/%d: test accuracy %.4f', epoch, epochs, classifier.score(x_test, y_test))
    return classifier, {'accuracy': float(classifier.score(x_test, y_test)), 'epochs': epochs}


def export(classifier):
    buffer = io.BytesIO()
    joblib.dump(classifier, buffer)
    return {'model.joblib': buffer.getvalue()}
