# says: The program asks Google's library for credentials, and a job has none for Google's services other than storage.
# at: trainer/task.py:8 in train
# The words of google-auth 2.
from google.auth.exceptions import DefaultCredentialsError


def train():
    raise DefaultCredentialsError('Your default credentials were not found. To set up Application Default Credentials, see https://cloud.google.com/docs/authentication/external/set-up-adc for more information.')


train()
