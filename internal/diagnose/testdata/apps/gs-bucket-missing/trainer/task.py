# says: The program uses a bucket that the server does not have, no-such-bucket.
# at: trainer/task.py:8 in train
# The words of google-cloud-storage 3.
from google.api_core.exceptions import NotFound


def train():
    raise NotFound('404 GET http://127.0.0.1:8450/storage/v1/b/no-such-bucket?projection=noAcl&prettyPrint=false: The specified bucket does not exist.')


train()
