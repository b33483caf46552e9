"""What programs do with Google's Python client and gcsfs, against a server."""

import io
import os
import sys
import tempfile

from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage import transfer_manager
from google.cloud.storage.retry import DEFAULT_RETRY

endpoint = sys.argv[1]
here = tempfile.mkdtemp()
c = storage.Client(project="demo", credentials=AnonymousCredentials(), client_options={"api_endpoint": endpoint})


def refused(kind, call, *args, **kw):
    try:
        call(*args, **kw)
    except kind as e:
        return e
    raise AssertionError(f"{call} is not refused")


# Buckets.
b = c.create_bucket("from-py", location="us-east1")
assert b.location == "US-EAST1"
refused(exceptions.Conflict, c.create_bucket, "from-py")
b.labels = {"a": "b"}
b.versioning_enabled = True
b.add_lifecycle_delete_rule(age=30, matches_prefix=["tmp/"])
b.patch()
b = c.get_bucket("from-py")
assert b.labels == {"a": "b"} and b.versioning_enabled and len(list(b.lifecycle_rules)) == 1
b.clear_lifecycle_rules()
b.versioning_enabled = False
b.patch()
assert not c.get_bucket("from-py").versioning_enabled
assert b.exists(if_etag_match=c.get_bucket("from-py").etag)
refused(exceptions.PreconditionFailed, b.reload, if_etag_match="other")
assert [x.name for x in c.list_buckets(prefix="from-py")] == ["from-py"]
assert b.get_iam_policy().bindings == []
assert list(b.list_notifications()) == []

# Objects, with checksums and conditions.
large = os.urandom(9 << 20)
blob = b.blob("dir/large")
blob.upload_from_string(large, checksum="md5", if_generation_match=0)
refused(exceptions.PreconditionFailed, b.blob("dir/large").upload_from_string, b"x", if_generation_match=0)
assert b.blob("dir/large").download_as_bytes(checksum="crc32c") == large
assert b.blob("dir/large").download_as_bytes(start=5, end=9) == large[5:10]
streamed = b.blob("streamed", chunk_size=1 << 20)
with streamed.open("wb", checksum="crc32c") as f:
    for i in range(0, len(large), 700_000):
        f.write(large[i : i + 700_000])
with streamed.open("rb", chunk_size=1 << 20) as f:
    f.seek(100)
    assert f.read(10) == large[100:110]
    assert f.read() == large[110:]
streamed.upload_from_file(io.BytesIO(large), checksum="crc32c", retry=DEFAULT_RETRY)
assert b.get_blob("streamed").crc32c == b.get_blob("dir/large").crc32c
where = streamed.create_resumable_upload_session(content_type="text/x", size=3)
assert where.startswith(endpoint)
blob = b.get_blob("streamed")
blob.metadata = {"k": "v"}
blob.cache_control = "no-store"
blob.patch(if_metageneration_match=blob.metageneration)
assert b.blob("streamed").download_as_bytes(if_etag_match=b.get_blob("streamed").etag) == large
refused(exceptions.PreconditionFailed, b.blob("streamed").download_as_bytes, if_etag_match="other")
refused(exceptions.PreconditionFailed, blob.patch, if_metageneration_match=99)
blob.metadata = {"k": None}
blob.patch()
assert b.get_blob("streamed").metadata is None and b.get_blob("streamed").cache_control == "no-store"
packed = b.blob("packed")
packed.content_encoding = "gzip"
import gzip

packed.upload_from_string(gzip.compress(b"hello" * 100), content_type="text/plain")
assert b.blob("packed").download_as_bytes() == b"hello" * 100
assert gzip.decompress(b.blob("packed").download_as_bytes(raw_download=True)) == b"hello" * 100

# Copies.
copy = b.copy_blob(b.blob("dir/large"), b, "copy")
token, done, total = b.blob("rewritten").rewrite(b.blob("copy"))
assert token is None and done == total == len(large)
b.rename_blob(b.blob("copy"), "moved")
b.move_blob(b.blob("moved"), "moved again")
assert not b.blob("moved").exists()
whole = b.blob("whole")
whole.content_type = "a/b"
whole.compose([b.blob("dir/large"), b.blob("moved again")])
assert whole.component_count == 2 and whole.download_as_bytes() == large + large
blob = b.get_blob("whole")
blob.update_storage_class("NEARLINE")
assert b.get_blob("whole").storage_class == "NEARLINE"

# Many at a time: uploads in parts are of the XML API.
path = os.path.join(here, "large")
with open(path, "wb") as f:
    f.write(large)
for checksum in ("crc32c", "md5", None):
    b.blob("parts").metadata = {"k": "v"}
    transfer_manager.upload_chunks_concurrently(path, b.blob("parts"), chunk_size=5 << 20, checksum=checksum, worker_type=transfer_manager.THREAD, max_workers=4)
    assert b.get_blob("parts").size == len(large)
transfer_manager.download_chunks_concurrently(b.blob("parts"), path + ".back", chunk_size=1 << 20, worker_type=transfer_manager.THREAD, max_workers=4)
with open(path + ".back", "rb") as f:
    assert f.read() == large
for i in range(20):
    with open(os.path.join(here, f"f{i}"), "w") as f:
        f.write(str(i))
names = [f"f{i}" for i in range(20)]
done = transfer_manager.upload_many_from_filenames(b, names, source_directory=here, blob_name_prefix="many/", worker_type=transfer_manager.THREAD)
assert done == [None] * 20, done
done = transfer_manager.download_many_to_path(b, [f"many/{n}" for n in names], destination_directory=here + "/back", worker_type=transfer_manager.THREAD)
assert done == [None] * 20, done

# Lists.
assert len(list(c.list_blobs(b, prefix="many/", page_size=7))) == 20
it = c.list_blobs(b, delimiter="/")
assert [x.name for x in it] == ["moved again", "packed", "parts", "rewritten", "streamed", "whole"] and it.prefixes == {"dir/", "many/"}
assert [x.name for x in c.list_blobs(b, match_glob="many/f1?")] == [f"many/f{i}" for i in range(10, 20)]
assert [x.name for x in c.list_blobs(b, start_offset="p", end_offset="s", fields="items(name),nextPageToken")] == ["packed", "parts", "rewritten"]

# In one request.
with c.batch():
    for n in names:
        b.blob("many/" + n).delete()
assert list(c.list_blobs(b, prefix="many/")) == []
try:
    with c.batch(raise_exception=True):
        b.blob("many/f1").delete()
    raise AssertionError("a batch hides a failure")
except exceptions.NotFound:
    pass
refused(exceptions.NotFound, b.blob("none").download_as_bytes)
refused(exceptions.Conflict, b.delete)
b.delete_blobs(list(c.list_blobs(b)))
b.delete()
assert c.lookup_bucket("from-py") is None

import gcsfs

fs = gcsfs.GCSFileSystem(project="demo", token="anon", endpoint_url=endpoint)
fs.mkdir("fsbox")
fs.pipe({"fsbox/a/1": b"1", "fsbox/a/2": b"22", "fsbox/b": b"333"})
assert sorted(fs.ls("fsbox")) == ["fsbox/a", "fsbox/b"]
assert fs.find("fsbox") == ["fsbox/a/1", "fsbox/a/2", "fsbox/b"]
assert fs.glob("fsbox/a/*") == ["fsbox/a/1", "fsbox/a/2"]
assert fs.info("fsbox/a/2")["size"] == 2 and fs.isdir("fsbox/a") and fs.isfile("fsbox/b")
fs.put(path, "fsbox/put/large")
fs.get("fsbox/put/large", path + ".fs")
with open(path + ".fs", "rb") as f:
    assert f.read() == large
fs.put(here + "/back", "fsbox/tree", recursive=True)
assert len(fs.find("fsbox/tree")) == 20
fs.get("fsbox/tree", here + "/tree", recursive=True)
assert len(os.listdir(here + "/tree")) >= 1
fs.mv("fsbox/a/1", "fsbox/a/one")
fs.cp("fsbox/a", "fsbox/copied", recursive=True)
assert fs.cat("fsbox/copied/one") == b"1" if fs.exists("fsbox/copied/one") else fs.cat("fsbox/copied/a/one") == b"1"
fs.pipe("fsbox/b", b"3334444")
assert fs.cat_file("fsbox/b", 2, 5) == b"344"
with fs.open("fsbox/stream", "wb", block_size=1 << 20) as f:
    f.write(large)
assert fs.checksum("fsbox/stream") != fs.checksum("fsbox/b")
with fs.open("fsbox/stream", "rb", block_size=1 << 20) as f:
    f.seek(-10, 2)
    assert f.read() == large[-10:]
fs.setxattrs("fsbox/b", content_type="a/b", k="v")
assert fs.getxattr("fsbox/b", "k") == "v"
fs.touch("fsbox/empty")
assert fs.du("fsbox/b") == 7
fs.rm("fsbox", recursive=True)
assert not fs.exists("fsbox/b")
print("fine")
