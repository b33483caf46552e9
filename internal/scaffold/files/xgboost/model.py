"""The data, the model and how good it is. Replace them by yours."""

import logging
import os
import tempfile

import numpy as np
import xgboost as xgb
from sklearn import datasets
from sklearn import model_selection


def load_data(seed):
    """The tumours of Wisconsin that scikit-learn ships, a fifth of them for testing."""
    data = datasets.load_breast_cancer()
    return model_selection.train_test_split(data.data, data.target, test_size=0.2, random_state=seed)


def train(epochs, learning_rate, seed):
    x, x_test, y, y_test = load_data(seed)
    booster, test = None, xgb.DMatrix(x_test)
    accuracy = 0.0
    for epoch in range(1, epochs + 1):
        booster = xgb.train({'objective': 'binary:logistic', 'eta': learning_rate, 'max_depth': 4, 'seed': seed},
                            xgb.DMatrix(x, label=y), num_boost_round=10, xgb_model=booster)
        accuracy = float(np.mean((booster.predict(test) > 0.5) == y_test))
        logging.info('epoch %d/%d: test accuracy %.4f', epoch, epochs, accuracy)
    return booster, {'accuracy': accuracy, 'epochs': epochs}


def export(booster):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'model.json')
        booster.save_model(path)
        with open(path, 'rb') as f:
            return {'model.json': f.read()}
