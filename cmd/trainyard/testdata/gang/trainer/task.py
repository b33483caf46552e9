"""Checks from inside what a replica is told, and talks to all the others.

Every replica listens at its own address and calls every other one. It ends
well only when all that it was told holds, and parameter servers never end.
"""
import argparse
import json
import os
import socket
import sys
import threading
import time


def check(what, got, want):
    if got != want:
        sys.exit("%s is %r, want %r" % (what, got, want))


def serve(port, name, told):
    """Answers every caller with this replica's name and notes what it says."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", port))
    listener.listen(64)

    def answer():
        while True:
            caller, _ = listener.accept()
            line = caller.makefile("r").readline().strip()
            caller.sendall((name + "\n").encode())
            caller.close()
            told(line)

    threading.Thread(target=answer, daemon=True).start()


def call(address, line):
    host, port = address.rsplit(":", 1)
    for _ in range(600):  # until it listens
        try:
            with socket.create_connection((host, int(port)), 10) as c:
                c.sendall((line + "\n").encode())
                return c.makefile("r").readline().strip()
        except ConnectionRefusedError:
            time.sleep(0.05)
    sys.exit("%s does not answer" % address)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--primary")
    p.add_argument("--cluster", type=json.loads)
    p.add_argument("--job-dir")
    args = p.parse_args()

    tf, spec = json.loads(os.environ["TF_CONFIG"]), json.loads(os.environ["CLUSTER_SPEC"])
    role, index = spec["task"]["type"], spec["task"]["index"]
    name = "%s-%d" % (role, index)

    check("the cluster", {r: len(a) for r, a in spec["cluster"].items()}, args.cluster)
    check("the role for TensorFlow", tf["task"]["type"], args.primary if role == "master" else role)
    check("the index for TensorFlow", tf["task"]["index"], index)
    of_tf = {args.primary if r == "master" else r: a for r, a in spec["cluster"].items() if r != "evaluator"}
    check("the cluster for TensorFlow", tf["cluster"], of_tf)
    for variable in tf, spec:
        check("the environment", variable["environment"], "cloud")
        check("the arguments", variable["job"]["args"], sys.argv[1:])
        check("the module", variable["job"]["python_module"], "trainer.task")
        check("the trial", variable["task"].get("trial"), None)
    addresses = [a for role in spec["cluster"].values() for a in role]
    check("the number of addresses of one's own", len(set(addresses)), len(addresses))

    ranks = ["master-0"] + ["worker-%d" % i for i in range(args.cluster.get("worker", 0))]
    want = dict.fromkeys(["MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "LOCAL_RANK"])
    if name in ranks:
        host, port = spec["cluster"]["master"][0].rsplit(":", 1)
        want.update(MASTER_ADDR=host, MASTER_PORT=port, RANK=str(ranks.index(name)), WORLD_SIZE=str(len(ranks)), LOCAL_RANK="0")
    for k, v in want.items():
        check(k, os.environ.get(k), v)
    check("the job", os.environ["CLOUD_ML_JOB_ID"], os.environ["TRAINYARD_JOB_DIR"].rsplit("/", 1)[1])
    if int(os.environ["OMP_NUM_THREADS"]) < 1:
        sys.exit("no threads")
    direct = os.environ["no_proxy"].split(",")
    for a in addresses:
        if a.rsplit(":", 1)[0] not in direct:
            sys.exit("%s is reached by a proxy" % a)

    # Files are one's own, also under names that all use.
    check("the working directory", os.listdir("."), [])
    for path in "mine", "/tmp/trainyard-gang-mine":
        with open(path, "w") as f:
            f.write(name)

    # Whoever ends closes its port, on which others may still call: nobody does
    # before the master has heard that everybody has met everybody.
    others = {"%s-%d" % (r, i): a for r, list_ in spec["cluster"].items() for i, a in enumerate(list_) if (r, i) != ("master", 0)}
    met, all_met, over = set(), threading.Event(), threading.Event()

    def told(line):
        if line.startswith("met "):
            met.add(line[4:])
            if met >= set(others):
                all_met.set()
        elif line == "over":
            over.set()

    serve(int(spec["cluster"][role][index].rsplit(":", 1)[1]), name, told)
    for r, list_ in spec["cluster"].items():
        for i, address in enumerate(list_):
            if (r, i) != (role, index):
                check("who answers", call(address, "hello"), "%s-%d" % (r, i))
    for path in "mine", "/tmp/trainyard-gang-mine":
        with open(path) as f:
            check("the content of " + path, f.read(), name)
    print("%s has met all %d" % (name, len(addresses)), flush=True)

    if role == "master":
        if others and not all_met.wait(120):
            sys.exit("not met: %s" % sorted(set(others) - met))
        for other, address in others.items():
            if not other.startswith("ps-"):
                call(address, "over")
        return
    call(spec["cluster"]["master"][0], "met " + name)
    if role == "ps":
        threading.Event().wait()
    over.wait()


main()
