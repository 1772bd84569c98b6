"""How the time of a gather on Dask grows with the shards, at a fixed limit of the workers' memory.

usage: dask_sizes.py [--folder FOLDER] [GIGABYTES...]     1 2 4 8 if none are named

Prints a table for each way, one pass and two: seconds, and seconds a gigabyte that is read and written.
The goal is that the latter stays within 25 %. Takes 4 times the largest size of the disk.
"""

import argparse
import logging
import os
import shutil
import sys
import tempfile
import time

import dask
import distributed
import multibuffer
import multibuffer.dask
import numpy

ROW, LIMIT, CHUNK = 1024, 1_000_000_000, "64 MiB"


def measure(folder, gigabytes, client):
    shards = int(16 * gigabytes)
    rows = int(gigabytes * 1e9) // ROW // shards
    for i in range(shards):
        numpy.save(f"{folder}/shard-{i}.npy",
                   numpy.random.default_rng(i).integers(0, 255, (rows, ROW), "u1"))
    dataset = multibuffer.open(f"{folder}/shard-*.npy")
    order = numpy.random.default_rng(1).permutation(len(dataset))
    for passes in (1, 2):
        start = time.perf_counter()
        y = multibuffer.dask.take(dataset, order, chunks=CHUNK, passes=passes,
                                  scratch=f"{folder}/scratch")
        paths = multibuffer.dask.store(y, f"{folder}/out")
        seconds = time.perf_counter() - start
        stored = multibuffer.open(paths, window="64 MiB")
        for at in range(0, len(order), 100_003):  # and not all: it would take longer than the work
            wanted = dataset.take(order[at:at + 20]).tobytes()
            if stored[at:at + 20].copy().tobytes() != wanted:
                sys.exit(f"{gigabytes} GB, {passes} passes: rows from {at} on differ")
        moved = dataset.nbytes / 1e9 * (2 if passes == 1 else 4)
        print(f"{gigabytes:6g} GB {passes} {seconds:8.1f} s {seconds / moved:8.3f} s/GB", flush=True)
        shutil.rmtree(f"{folder}/out")
    for i in range(shards):
        os.remove(f"{folder}/shard-{i}.npy")
    restarted = client.run(os.getpid)
    return restarted


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gigabytes", nargs="*", type=float)
    parser.add_argument("--folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="multibuffer-sizes-", dir=options.folder) as folder, \
            dask.config.set({"temporary-directory": folder}), \
            distributed.LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=LIMIT,
                                     dashboard_address=None, silence_logs=logging.CRITICAL) as local, \
            distributed.Client(local) as client:
        os.mkdir(f"{folder}/scratch")
        before = client.run(os.getpid)
        print(f"Dask {dask.__version__}, 2 workers of {LIMIT / 1e9:g} GB, rows of {ROW} B, chunks of "
              f"{CHUNK}, stored\n  shards passes     time    by bytes read and written")
        for gigabytes in options.gigabytes or [1, 2, 4, 8]:
            if measure(folder, gigabytes, client) != before:
                sys.exit("a worker was restarted")


if __name__ == "__main__":
    main()
