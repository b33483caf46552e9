"""The data, the classifier and how good it is."""

import collections
import io

import matplotlib
matplotlib.use('Agg')
import matplotlib.pyplot as plt
import numpy as np
from sklearn import datasets
from sklearn import metrics
from sklearn import model_selection
from sklearn import neural_network

Split = collections.namedtuple('Split', 'x y')


def load_data(seed):
    """The 1,797 digits that scikit-learn ships, a fifth of them for testing."""
    digits = datasets.load_digits()
    x_train, x_test, y_train, y_test = model_selection.train_test_split(
        digits.data / 16.0, digits.target, test_size=0.2, random_state=seed, stratify=digits.target)
    return Split(x_train, y_train), Split(x_test, y_test)


def build(hidden, learning_rate, seed):
    return neural_network.MLPClassifier(
        hidden_layer_sizes=(hidden,), learning_rate_init=learning_rate, batch_size=64, random_state=seed)


def train_epoch(classifier, data):
    classifier.partial_fit(data.x, data.y, classes=np.arange(10))
    return classifier.loss_


def accuracy(classifier, data):
    return float(classifier.score(data.x, data.y))


def evaluate(classifier, data):
    """Metrics, and a picture of which digit is taken for which."""
    predicted = classifier.predict(data.x)
    precision, recall, _, _ = metrics.precision_recall_fscore_support(data.y, predicted, average='macro')
    numbers = {'accuracy': accuracy(classifier, data), 'precision': float(precision), 'recall': float(recall)}
    figure, axes = plt.subplots(figsize=(6, 6))
    metrics.ConfusionMatrixDisplay.from_predictions(data.y, predicted, ax=axes, colorbar=False)
    axes.set_title('accuracy %.3f' % numbers['accuracy'])
    picture = io.BytesIO()
    figure.savefig(picture, format='png', dpi=100)
    plt.close(figure)
    return numbers, picture.getvalue()
