"""Workers for the tests of multibuffer.dask, and functions that run on them.

The functions are here since workers import them by their module's name.
"""

import contextlib
import logging
import os
import signal
import time

import dask
import distributed
import multibuffer
import multibuffer.dask

SLOWER = float(os.environ.get("MULTIBUFFER_TEST_SLOWER", 1))


@contextlib.contextmanager
def cluster(workers=2, *, method="spawn", **options):
    """A client of workers that are processes of this machine."""
    # Elsewhere, workers would have this process's folder of their own in the tests' folder.
    settings = {"distributed.worker.multiprocessing-method": method,
                "distributed.comm.timeouts.connect": "60s",
                "distributed.admin.tick.limit": "60s"}
    with dask.config.set(settings):
        with distributed.LocalCluster(
                n_workers=workers, dashboard_address=None, silence_logs=logging.CRITICAL,
                **{"threads_per_worker": 1, **options}) as local:
            with distributed.Client(local, timeout="60s") as client:
                yield client


def pids(client):
    """The workers' processes, by address."""
    return client.run(os.getpid)


def suspicions(client):
    """How often the scheduler has blamed a task for a lost worker."""
    return client.run_on_scheduler(
        lambda dask_scheduler: sum(task.suspicious for task in dask_scheduler.tasks.values()))


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def slowly(block, seconds=0.15):
    """A chunk as it is, later."""
    time.sleep(seconds)
    return block


def noted(block, folder):
    """A chunk as it is, and a file in folder that says that it came by."""
    open(os.path.join(folder, f"{time.monotonic_ns()}-{os.getpid()}"), "w").close()
    return slowly(block)


def read_until_cancelled(path, seconds):
    """Gathers again and again; a file says whether the task heard that it was cancelled."""
    dataset = multibuffer.open(path, window=4096)
    check = multibuffer.dask._cancellation()
    end = time.monotonic() + seconds
    open(path + ".begun", "w").close()
    try:
        while time.monotonic() < end:
            dataset.take([1, 0, 2] * 100, progress=check)
    except distributed.Reschedule:
        open(path + ".cancelled", "w").close()
        raise
    open(path + ".ran-on", "w").close()


def summed(batch):
    """What a user's function makes of a batch."""
    return float(sum(batch.tolist())), batch.device


def itself(batch):
    return batch
