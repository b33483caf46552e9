"""Reads and writes gs:// in the ways of libraries, old and new, each unmodified."""
import argparse
import os
import subprocess
import tempfile
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("--job-dir", required=True)
root = parser.parse_args().job_dir.rstrip("/")
bucket, _, prefix = root[len("gs://"):].partition("/")
CSV = b"x,y\n1,2\n3,4\n"


def storage(name):
    """google-cloud-storage with no arguments, as programs use it."""
    from google.cloud import storage as library
    client = library.Client()
    blob = client.bucket(bucket).blob(prefix + "/" + name)
    blob.upload_from_string(CSV)
    assert client.bucket(bucket).blob(prefix + "/" + name).download_as_string() == CSV
    assert name in [b.name[len(prefix) + 1:] for b in client.bucket(bucket).list_blobs(prefix=prefix)]
    print("google-cloud-storage %s: %s" % (library.__version__, name))


def urls():
    import requests
    address = "https://storage.googleapis.com/%s/%s/by-library" % (bucket, prefix)
    assert urllib.request.urlopen(address).read() == CSV
    assert requests.get(address).content == CSV
    assert requests.get(address, headers={"Range": "bytes=2-4"}).content == CSV[2:5]
    assert requests.get(address + "-absent").status_code == 404
    import pandas
    assert pandas.read_csv(address)["y"].sum() == 6
    frame = pandas.read_csv(root + "/by-library")  # by gcsfs
    assert frame["x"].sum() == 4
    print("urllib, requests %s, pandas %s" % (requests.__version__, pandas.__version__))


def commands():
    """What programs of old do by subprocess and os.system."""
    with tempfile.NamedTemporaryFile() as f:
        f.write(b"by gsutil")
        f.flush()
        subprocess.check_call(["gsutil", "-m", "-q", "cp", f.name, root + "/by-gsutil"])
    with tempfile.TemporaryDirectory() as d:
        assert os.system("gsutil cp %s/by-gsutil %s/back" % (root, d)) == 0
        with open(d + "/back", "rb") as f:
            assert f.read() == b"by gsutil"
        assert os.system("gsutil cp %s/absent %s/back" % (root, d)) != 0
        subprocess.check_call(["gsutil", "-m", "cp", "-r", root, d])
        assert os.path.exists(os.path.join(d, os.path.basename(root), "by-gsutil")), os.listdir(d)
    out = subprocess.check_output(["gsutil", "ls", root + "/by-*"]).decode().split()
    assert root + "/by-gsutil" in out, out
    assert subprocess.check_output(["gsutil", "cat", root + "/by-gsutil"]) == b"by gsutil"
    out = subprocess.check_output(["gcloud", "storage", "cat", root + "/by-gsutil"])
    assert out == b"by gsutil", out
    print("gsutil and gcloud: by %s" % os.path.realpath(subprocess.check_output(["which", "gsutil"]).decode().strip()).rsplit("/", 1)[1])


storage("by-library")
emulator = os.environ.pop("STORAGE_EMULATOR_HOST")
storage("by-credentials")
os.environ["STORAGE_EMULATOR_HOST"] = emulator
urls()
commands()
print("all libraries are done")
