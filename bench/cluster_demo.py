"""A scheduler and workers on this machine gather shards that are larger than a worker may be.

usage: cluster_demo.py [--megabytes N] [--folder FOLDER]

One worker is killed on the way. Every row of the result is compared with what numpy.load finds at its
place, some with the library's reference too; then a small part is gathered once more, beside Dask's
own indexing of the same files.
"""

import argparse
import logging
import os
import pickle
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings

import dask
import dask.array
import distributed
import multibuffer
import multibuffer.dask
import numpy

WORKERS, LIMIT, SHARDS, ROW = 2, 350_000_000, 32, 1024


def say(text):
    print(text, flush=True)


def size(count):
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def make_shards(folder, total):
    """Writes the shards, and returns their names."""
    rows = total // ROW // SHARDS
    paths = [os.path.join(folder, f"shard-{i}.npy") for i in range(SHARDS)]
    for i, path in enumerate(paths):
        numpy.save(path, numpy.random.default_rng(i).integers(0, 255, (rows, ROW), "u1"))
    return paths


class Watch:
    """The memory of the workers' processes, and the death of one of them."""

    def __init__(self, client):
        self.pids = set(client.run(os.getpid).values())
        self.most, self.killed = 0, None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def kill_at(self, ready):
        """Kills a worker once ready() is true."""
        self._ready = ready
        self._thread.start()

    def _sample(self):
        page = os.sysconf("SC_PAGE_SIZE")
        while not self._stop.wait(0.02):
            for pid in self.pids:
                try:
                    with open(f"/proc/{pid}/statm") as file:
                        self.most = max(self.most, int(file.read().split()[1]) * page)
                except (OSError, IndexError):
                    pass
            if self.killed is None and self._ready():
                self.killed = min(self.pids)
                os.kill(self.killed, signal.SIGKILL)

    def end(self):
        self._stop.set()
        self._thread.join()


def files_in(folder):
    return [name for name in os.listdir(folder) if name.endswith(".npy") and name[0] != "."] \
        if os.path.isdir(folder) else []


def check(paths, dataset, order, shards):
    """Compares every row with its shard's, as NumPy reads it, and some with the reference."""
    at, sources = 0, [numpy.load(path, mmap_mode="r") for path in shards]
    rows = len(sources[0])
    for path in paths:
        result = numpy.load(path)
        wanted = order[at:at + len(result)]
        for shard, source in enumerate(sources):
            here = wanted // rows == shard
            if not numpy.array_equal(result[here], source[wanted[here] % rows]):
                sys.exit(f"{path}: it differs from {shards[shard]}")
        at += len(result)
    if at != len(order):
        sys.exit(f"{at} rows of {len(order)} are there")
    stored = multibuffer.open(paths)
    for i in numpy.random.default_rng(0).integers(0, at, 100):
        if not multibuffer.verify(stored[int(i)], dataset[int(order[i])].reference()):
            sys.exit(f"row {i} is not what the reference reads")


def timed(make):
    """(seconds, tasks, result) of making an array of Dask's and computing it."""
    start = time.perf_counter()
    array = make()
    result = array.compute()
    seconds = time.perf_counter() - start
    return seconds, len(dask.optimize(array)[0].__dask_graph__()), result


def beside_dask(folder):
    """A small part, by multibuffer and by Dask's own indexing of memory maps."""
    rows, folder = 1600, os.path.join(folder, "small")
    order = numpy.random.default_rng(2).permutation(rows)
    os.mkdir(folder)
    for i in range(SHARDS):
        numpy.save(os.path.join(folder, f"{i}.npy"),
                   numpy.random.default_rng(i).integers(0, 255, (rows // SHARDS, ROW), "u1"))
    with open(os.path.join(folder, "info"), "wb") as file:
        pickle.dump({"chunks": ((rows // SHARDS,) * SHARDS, (ROW,)), "dtype": numpy.dtype("u1"),
                     "axis": 0}, file)
    dataset = multibuffer.open(os.path.join(folder, "*.npy"))
    theirs = dask.array.from_npy_stack(folder)
    # Neither time is to contain the imports of the workers' first task.
    multibuffer.dask.take(dataset, order[:1]).compute(), theirs[:1].compute()
    ours = timed(lambda: multibuffer.dask.take(dataset, order, chunks="64 KiB"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dask warns of its many chunks
        theirs = timed(lambda: theirs[order])
    if not numpy.array_equal(ours[2], theirs[2]):
        sys.exit("Dask's own indexing has another result")
    say(f"\n{rows} random rows of {ROW} B out of {SHARDS} shards, by both:")
    for name, (seconds, tasks, _) in (("multibuffer.dask.take", ours), ("Dask's own indexing", theirs)):
        say(f"  {name:24}{tasks:6} tasks {seconds:8.3f} s {rows * ROW / seconds / 1e6:8.1f} MB/s")
    say(f"  {theirs[0] / ours[0]:.0f} times as fast")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=800, help="of the shards (800)")
    parser.add_argument("--folder", help="where the shards lie meanwhile")
    options = parser.parse_args()
    total = options.megabytes * 10**6
    folder = tempfile.mkdtemp(prefix="multibuffer-demo-", dir=options.folder)
    try:
        if shutil.disk_usage(folder).free < 3 * total:
            sys.exit(f"{folder}: the demo needs {size(3 * total)} there; name another --folder")
        run(folder, total)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(folder, total):
    start = time.perf_counter()
    shards = make_shards(folder, total)
    dataset = multibuffer.open(shards)
    order = numpy.random.default_rng(1).permutation(len(dataset))
    say(f"{size(dataset.nbytes)} in {SHARDS} shards, {len(dataset)} rows of {ROW} B: made in "
        f"{time.perf_counter() - start:.1f} s")
    out = os.path.join(folder, "out")
    settings = {"distributed.admin.tick.limit": "60s", "temporary-directory": folder,
                "distributed.worker.multiprocessing-method": "spawn"}
    with dask.config.set(settings), distributed.LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, memory_limit=LIMIT, dashboard_address=None,
            silence_logs=logging.CRITICAL) as cluster, distributed.Client(cluster) as client:
        say(f"A scheduler and {WORKERS} workers of {size(LIMIT)} each, Dask {dask.__version__}")
        watch = Watch(client)
        watch.kill_at(lambda: len(files_in(out)) >= 5)
        start = time.perf_counter()
        y = multibuffer.dask.take(dataset, order, chunks="16 MiB", window="16 MiB")
        try:
            paths = multibuffer.dask.store(y, out)
        finally:
            watch.end()
        seconds = time.perf_counter() - start
        say(f"A permutation of all rows is in {len(paths)} files after {seconds:.1f} s, "
            f"{total / seconds / 1e6:.0f} MB/s, by {len(paths)} tasks")
        if watch.killed is None:
            sys.exit("no worker was killed: the work was done too soon")
        say(f"Worker {watch.killed} was killed on the way; no worker had more than {size(watch.most)}")
        check(paths, dataset, order, shards)
        say("Every row is where it belongs; 100 of them equal the reference")
        client.wait_for_workers(WORKERS)
        beside_dask(folder)
    say("\nAll of it ran on one machine, with files in its page cache.")


if __name__ == "__main__":
    main()
