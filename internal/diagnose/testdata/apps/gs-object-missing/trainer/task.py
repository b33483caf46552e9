# says: There is no gs://data/train.csv.
# at: trainer/task.py:8 in train
# The words of google-cloud-storage 3.
from google.api_core.exceptions import NotFound


def train():
    raise NotFound("404 GET http://127.0.0.1:8450/download/storage/v1/b/data/o/train.csv?alt=media: No such object: data/train.csv: ('Request failed with status code', 404, 'Expected one of', <HTTPStatus.OK: 200>, <HTTPStatus.PARTIAL_CONTENT: 206>)")


train()
