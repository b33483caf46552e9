# says: The program refused its arguments: the following arguments are required: --epochs.
import argparse

p = argparse.ArgumentParser()
p.add_argument("--epochs", type=int, required=True)
p.add_argument("--job-dir")
p.parse_args()
