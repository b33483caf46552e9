"""Writing results to the job-dir, in gs:// or on disk."""

import json
import logging
import os


def to_json(value):
    return (json.dumps(value, indent=2, sort_keys=True) + '\n').encode()


def save(job_dir, name, content):
    if job_dir.startswith('gs://'):
        from google.cloud import storage
        bucket, _, prefix = job_dir[len('gs://'):].partition('/')
        path = '/'.join(p for p in (prefix.strip('/'), name) if p)
        storage.Client().bucket(bucket).blob(path).upload_from_string(content)
    else:
        os.makedirs(job_dir, exist_ok=True)
        with open(os.path.join(job_dir, name), 'wb') as f:
            f.write(content)
    logging.info('wrote %s/%s, %d bytes', job_dir.rstrip('/'), name, len(content))
