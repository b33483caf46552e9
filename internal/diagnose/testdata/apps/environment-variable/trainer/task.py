# says: The program reads the environment variable BUCKET_NAME, which is not set in the job.
# at: trainer/task.py:5
import os

BUCKET = os.environ["BUCKET_NAME"]
