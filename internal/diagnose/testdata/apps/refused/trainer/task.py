# says: Nothing listens at localhost:5000, where the program wants to connect to.
# at: trainer/task.py:8 in train
# The words of requests 2.34.
from requests.exceptions import ConnectionError


def train():
    raise ConnectionError('HTTPConnectionPool(host=\'localhost\', port=5000): Max retries exceeded with url: /api/2.0/mlflow (Caused by NewConnectionError("HTTPConnection(host=\'localhost\', port=5000): Failed to establish a new connection: [Errno 111] Connection refused"))')


train()
