# says: The job may not do that in the bucket other-project-data.
# at: trainer/task.py:8 in train
# The words of google-cloud-storage 3.
from google.api_core.exceptions import Forbidden


def train():
    raise Forbidden('403 GET http://127.0.0.1:8450/storage/v1/b/other-project-data/o?prettyPrint=false: the job may not read this bucket.')


train()
