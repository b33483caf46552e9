"""The data, the model and how good it is. Replace them by yours."""

import io
import logging

import torch
from sklearn import datasets
from sklearn import model_selection


def load_data(seed):
    """The handwritten digits that scikit-learn ships, a fifth of them for testing."""
    digits = datasets.load_digits()
    x, x_test, y, y_test = model_selection.train_test_split(
        digits.data / 16.0, digits.target, test_size=0.2, random_state=seed)
    return (torch.tensor(x, dtype=torch.float32), torch.tensor(x_test, dtype=torch.float32),
            torch.tensor(y), torch.tensor(y_test))


def train(epochs, learning_rate, seed):
    torch.manual_seed(seed)
    x, x_test, y, y_test = load_data(seed)
    net = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=learning_rate)
    loss_of = torch.nn.CrossEntropyLoss()
    accuracy = 0.0
    for epoch in range(1, epochs + 1):
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            loss = loss_of(net(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            accuracy = float((net(x_test).argmax(1) == y_test).float().mean())
        logging.info('epoch %d/%d: loss %.4f, test accuracy %.4f', epoch, epochs, loss.item(), accuracy)
    return net, {'accuracy': accuracy, 'epochs': epochs}


def export(net):
    buffer = io.BytesIO()
    torch.save(net.state_dict(), buffer)
    return {'model.pt': buffer.getvalue()}
