# cause: dns
# says: The program talks to a host whose name this machine cannot resolve: no-host.invalid.
# at: trainer/task.py:9 in train
# The words of requests 2.34.
from requests.exceptions import ConnectionError


def train():
    raise ConnectionError('HTTPConnectionPool(host=\'no-host.invalid\', port=80): Max retries exceeded with url: / (Caused by NameResolutionError("HTTPConnection(host=\'no-host.invalid\', port=80): Failed to resolve \'no-host.invalid\' ([Errno -2] Name or service not known)"))')


train()
