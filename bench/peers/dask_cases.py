"""Rows of shards on workers of Dask, beside Dask's own indexing and a task of NumPy's a chunk."""

import functools
import itertools
import logging
import pathlib
import pickle
import tempfile
import warnings

import numpy

from harness import Case, Side
from host_cases import need, numbers

SHARDS, MEBI = 64, 1 << 20


@functools.cache
def client(workers):
    """Workers for as long as this process runs; those of other numbers of threads have others."""
    distributed = need("distributed")
    cluster = distributed.LocalCluster(n_workers=workers, threads_per_worker=1, memory_limit=0,
                                       dashboard_address=None, silence_logs=logging.CRITICAL)
    return distributed.Client(cluster)


class Shards:
    """An array of `total` bytes in shards, and an order of its rows."""

    def __init__(self, total, row_bytes):
        self.folder = tempfile.TemporaryDirectory(prefix="multibuffer-dask-")
        rows = total // row_bytes
        self.whole = numbers(total // 4, numpy.dtype("f4")).reshape(rows, -1)
        self.paths = [str(pathlib.Path(self.folder.name) / f"{i}.npy") for i in range(SHARDS)]
        for path, part in zip(self.paths, numpy.array_split(self.whole, SHARDS)):
            numpy.save(path, part)
        self.per = len(self.whole) // SHARDS
        extents = (tuple(len(part) for part in numpy.array_split(self.whole, SHARDS)),
                   self.whole.shape[1:])
        with open(pathlib.Path(self.folder.name) / "info", "wb") as file:  # of da.from_npy_stack
            pickle.dump({"chunks": extents, "dtype": self.whole.dtype, "axis": 0}, file)


def by_numpy(paths, per, indices):
    """The obvious task: the rows of each shard in turn."""
    maps = [numpy.load(path, mmap_mode="r") for path in paths]
    out = numpy.empty((len(indices), *maps[0].shape[1:]), maps[0].dtype)
    shard = indices // per
    for i in numpy.unique(shard):
        here = shard == i
        out[here] = maps[i][indices[here] - i * per]
    return out


def by_concatenation(paths, per, indices):
    """The obvious task in one line."""
    del per
    return numpy.concatenate([numpy.load(path, mmap_mode="r") for path in paths])[indices]


def tasks_of(function, shards, order, chunk):
    """A dask.array of one task of NumPy's for each chunk."""
    dask, da = need("dask"), need("dask.array")
    parts = [order[at:at + chunk] for at in range(0, len(order), chunk)]
    made = [da.from_delayed(dask.delayed(function, pure=False)(shards.paths, shards.per, part),
                            (len(part), shards.whole.shape[1]), shards.whole.dtype)
            for part in parts]
    return da.concatenate(made)


def own_indexing(shards, order):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its many chunks
        return need("dask.array").from_npy_stack(shards.folder.name)[order]


def sides(workers, shards, order, chunk, finish, goals):
    """Ours and others. Each call makes its graph; ours and NumPy's have names of their own in each,
    since Dask would take what it still has under a name."""
    dataset_of = functools.cache(lambda: need("multibuffer").open(shards.paths))
    row, modes = shards.whole[0].nbytes, itertools.cycle(("raise", "wrap", "clip"))

    def side(make):
        def prepared():
            client(workers)
            need("multibuffer.dask")
            return lambda: finish(make())
        return prepared

    def ours(passes, window=64 * MEBI):
        return lambda: need("multibuffer.dask").take(
            dataset_of(), order, chunks=(chunk, row // 4), passes=passes, window=window,
            mode=next(modes))

    result = [Side("multibuffer.dask.take", side(ours(1)))]
    if len(order) == len(shards.whole):
        result += [Side("the same, mapped (window=0)", side(ours(1, 0))),
                   Side("the same in two passes", side(ours(2)))]
    return result + [
        Side("Dask's own indexing", side(lambda: own_indexing(shards, order)), goals.get("dask", {})),
        Side("a NumPy task a chunk, by shards",
             side(lambda: tasks_of(by_numpy, shards, order, chunk)), goals.get("numpy", {})),
        Side("a NumPy task a chunk, np.concatenate",
             side(lambda: tasks_of(by_concatenation, shards, order, chunk)))]


def permutations(threads):
    for total, row in ((512 * 10**6, 256), (512 * 10**6, 4096)):
        shards = Shards(total, row)
        order = numpy.random.default_rng(7).permutation(len(shards.whole))

        def persisted(array):
            """On the workers, as for work that goes on there; the bits are fetched outside of the
            timing."""
            array = array.persist()
            need("distributed").wait(array)
            return array

        # As many chunks as shards.
        yield Case("dask", f"a permutation of {total // 10**6} MB in {SHARDS} shards, rows of {row} B",
                   shards.whole.nbytes, shards.whole[order],
                   sides(threads, shards, order, len(order) // SHARDS, persisted,
                         {"dask": {0: 10}, "numpy": {0: 5}}))


def batches(threads):
    shards = Shards(512 * 10**6, 256)
    order = numpy.random.default_rng(8).integers(0, len(shards.whole), 1024)
    expected = shards.whole[order]
    count = itertools.count()

    def trivial():
        workers = client(threads)

        def work():
            workers.submit(abs, next(count)).result()
            return expected
        return work

    # 20 ms where a trivial task takes 3.
    yield Case("dask", "a batch of 1024 random rows of 256 B", expected.nbytes, expected,
               sides(threads, shards, order, 1024, lambda array: array.compute(), {})
               + [Side("a trivial task", trivial, {0: 0.15})])


def dask(threads):
    yield from batches(threads)
    yield from permutations(threads)


GROUPS = {"dask": dask}
