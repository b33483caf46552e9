"""Trains, checkpoints, resumes and exports to gs:// with TensorFlow 1.15 and later, unmodified.

Run with --phase=first it stops after a few epochs; with --phase=second it goes on from
the checkpoint that the first left and exports the model.
"""
import argparse
import os
import time
import urllib.request

import numpy as np
import tensorflow as tf

parser = argparse.ArgumentParser()
parser.add_argument("--phase", required=True)
parser.add_argument("--mebibytes", type=int, default=256)
parser.add_argument("--job-dir", required=True)
args = parser.parse_args()
root = args.job_dir.rstrip("/")
gfile = tf.io.gfile
print("TensorFlow %s" % tf.__version__)
old = tf.__version__.startswith("1.")


def files():
    """What tf.io.gfile does on a local disk, it does on gs://."""
    name = root + "/files/a b/ünïcode.txt"
    with gfile.GFile(name, "w") as f:
        f.write("one\n")
    with gfile.GFile(name, "a") as f:
        f.write("two\n")
    assert gfile.GFile(name).read() == "one\ntwo\n"
    assert gfile.exists(name) and not gfile.exists(name + ".absent")
    assert gfile.isdir(root + "/files") and not gfile.isdir(name)
    assert gfile.stat(name).length == 8
    gfile.rename(name, root + "/files/renamed.txt")
    gfile.copy(root + "/files/renamed.txt", root + "/files/sub/copy.txt")
    assert gfile.glob(root + "/files/*.txt") == [root + "/files/renamed.txt"], gfile.glob(root + "/files/*.txt")
    assert sorted(gfile.listdir(root + "/files")) in (["renamed.txt", "sub/"], ["a b/", "renamed.txt", "sub/"]), gfile.listdir(root + "/files")
    walked = [f for _, _, names in gfile.walk(root + "/files") for f in names]
    assert sorted(walked) == ["copy.txt", "renamed.txt"], walked
    gfile.makedirs(root + "/made/deep")
    gfile.rmtree(root + "/files")
    assert not gfile.exists(root + "/files/renamed.txt")
    try:
        gfile.GFile(root + "/absent").read()
    except tf.errors.NotFoundError:
        pass
    else:
        raise AssertionError("an object that is not there was read")


def large():
    """Megabytes written and read back, and how fast."""
    block = os.urandom(1 << 20)
    name = root + "/large"
    start = time.time()
    with gfile.GFile(name, "wb") as f:
        for _ in range(args.mebibytes):
            f.write(block)
    written = time.time()
    size = 0
    with gfile.GFile(name, "rb") as f:
        while True:
            b = f.read(16 << 20)
            if not b:
                break
            assert b[:64] == block[:64]
            size += len(b)
    assert size == args.mebibytes << 20
    print("GFile: wrote %.0f MB/s, read %.0f MB/s" % (size / 1e6 / (written - start), size / 1e6 / (time.time() - written)))
    gfile.remove(name)


def url():
    """A URL of Cloud Storage, as of old: no credentials, no range."""
    with gfile.GFile(root + "/data.csv", "w") as f:
        f.write("x,y\n1,2\n")
    bucket, _, path = root[len("gs://"):].partition("/")
    address = "https://storage.googleapis.com/%s/%s/data.csv" % (bucket, path)
    assert urllib.request.urlopen(address).read() == b"x,y\n1,2\n"
    local = tf.keras.utils.get_file("data.csv", address)
    assert open(local).read() == "x,y\n1,2\n"


def records():
    x = np.random.RandomState(0).rand(512, 4).astype("float32")
    with tf.io.TFRecordWriter(root + "/train.tfrecord") as w:
        for row in x:
            w.write(tf.train.Example(features=tf.train.Features(feature={
                "x": tf.train.Feature(float_list=tf.train.FloatList(value=row)),
                "y": tf.train.Feature(float_list=tf.train.FloatList(value=[row.sum()])),
            })).SerializeToString())


def dataset():
    spec = {"x": tf.io.FixedLenFeature([4], tf.float32), "y": tf.io.FixedLenFeature([1], tf.float32)}

    def parse(r):
        e = tf.io.parse_single_example(r, spec)
        return e["x"], e["y"]
    return tf.data.TFRecordDataset(root + "/train.tfrecord").map(parse).repeat().batch(32)


def build():
    model = tf.keras.Sequential([tf.keras.layers.Dense(8, activation="relu", input_shape=(4,)), tf.keras.layers.Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    return model


suffix = ".weights.h5" if not old and int(tf.__version__.split(".")[1]) >= 16 else ""
saved = root + "/checkpoints/weights" + suffix


def save(model):
    if suffix:  # Keras 3 writes files of its own to local paths only
        model.save_weights("weights" + suffix)
        gfile.copy("weights" + suffix, saved, overwrite=True)
    else:
        model.save_weights(saved)


def load(model):
    if suffix:
        gfile.copy(saved, "weights" + suffix, overwrite=True)
        model.load_weights("weights" + suffix)
    else:
        model.load_weights(saved)


if args.phase == "first":
    files()
    large()
    url()
    records()
    model = build()
    history = model.fit(dataset(), epochs=2, steps_per_epoch=16, verbose=0, callbacks=[tf.keras.callbacks.TensorBoard(root + "/logs")])
    save(model)
    # The other kind of checkpoint, of variables.
    if not old:
        step = tf.Variable(41)
        manager = tf.train.CheckpointManager(tf.train.Checkpoint(step=step), root + "/variables", max_to_keep=2)
        manager.save()
        manager.save()
    events = [f for _, _, names in gfile.walk(root + "/logs") for f in names if "tfevents" in f]
    assert events, "TensorBoard wrote nothing"
    print("loss %.6f" % history.history["loss"][-1])
else:
    model = build()
    load(model)
    history = model.fit(dataset(), epochs=2, steps_per_epoch=16, verbose=0)
    if not old:
        step = tf.Variable(0)
        latest = tf.train.latest_checkpoint(root + "/variables")
        tf.train.Checkpoint(step=step).restore(latest).assert_consumed()
        assert step.numpy() == 41
    export = root + "/export"
    if old:
        tf.saved_model.simple_save(tf.compat.v1.keras.backend.get_session(), export, {"x": model.inputs[0]}, {"y": model.outputs[0]})
    else:
        tf.saved_model.save(model, export)
        served = tf.saved_model.load(export).signatures["serving_default"]
        x = np.ones((1, 4), "float32")
        y = list(served(tf.constant(x)).values())[0].numpy()
        assert np.allclose(y, model.predict(x, verbose=0), atol=1e-4)
    assert gfile.exists(export + "/saved_model.pb")
    print("loss %.6f" % history.history["loss"][-1])
print("phase %s is done" % args.phase)
