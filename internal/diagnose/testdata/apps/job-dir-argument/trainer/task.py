# args: --job-dir gs://b/x
# says: The program does not know the argument --job-dir, which every job that has a job-dir gets as its last two arguments.
import argparse

argparse.ArgumentParser().parse_args()
