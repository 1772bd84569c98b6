"""Arrays in files on Dask: gathers of rows from shards, one task for each chunk of the result.

    >>> import multibuffer, multibuffer.dask
    >>> ds = multibuffer.open("shards/*.npy")                 # where all workers find it
    >>> y = multibuffer.dask.take(ds, permutation)            # a dask.array.Array; nothing is read
    >>> multibuffer.dask.store(y, "shuffled/")                # 000000.npy ..., each when it is whole

A task opens the files by their names, reads the rows of its own chunk and returns a NumPy array.
Nothing is sent from worker to worker, and a task holds its chunk, its indices and one window.
Recovery, progress, cancellation, limits of memory and dashboards are Dask's own. Files are read by
preadv, since Dask counts mapped pages as a worker's memory, and ends the worker for them.

What goes wrong is raised by the task on the first try: StaleError for a file that is not what it was
when the dataset was opened, FileNotFoundError for one that a worker does not have. Both name the
file and the worker. Dask 2022.12 and later; NumPy is needed.
"""

import atexit
import builtins
import contextlib
import dataclasses
import errno
import functools
import io
import itertools
import json
import logging
import os
import pickle
import re
import shutil
import socket
import sys
import tempfile
import typing
import uuid

import dask
import dask.array
import numpy
from dask.base import compute_as_if_collection, tokenize
from dask.highlevelgraph import HighLevelGraph
from dask.sizeof import sizeof

from . import _core, _dataset

try:
    from dask._task_spec import Task, TaskRef
except ImportError:  # before 2024.11, where a tuple is a task
    Task = None

__all__ = ["array", "map", "store", "take"]

_log = logging.getLogger(__name__)

# What is read of a disk for a row that is smaller.
_PAGE = 4096
# So many bytes are read at a time where files are mapped, and the caller names no window.
_WINDOW = 64 << 20
# Rows go through the files of two passes by so many bytes.
_PIECE = 4 << 20
# A description of up to this size travels with each task; a larger one is a task of its own.
_INLINE = 16 << 10


# ---- Arguments

def _opened(ds, window):
    """A Dataset of files, as tasks read it."""
    if not isinstance(ds, _core.Dataset):
        raise TypeError(f"ds is a Dataset, which multibuffer.open() makes, not {type(ds).__name__}")
    if not ds.files:
        raise ValueError("a Dataset in memory, which workers cannot open; write it to files")
    return ds.on("host").with_window(_dataset._bytes_of(window, "window"))


def _chunks_of(chunks, shape, dtype):
    """Chunks as Dask has them: of each axis the extents.

    By bytes, the first axes are cut and the last ones stay whole, so that a chunk is read in long
    runs. What else there is, Dask understands.
    """
    if not isinstance(chunks, str):
        return dask.array.core.normalize_chunks(chunks, shape, dtype=dtype)
    limit = _dataset._bytes_of("128 MiB" if chunks == "auto" else chunks, "chunks")
    if 0 in shape:
        return tuple((extent,) for extent in shape)
    left = max(limit // dtype.itemsize, 1) if dtype.itemsize else 1
    result = []
    for extent in reversed(shape):
        most = max(1, min(extent, left))
        whole, rest = divmod(extent, most)
        result.append((most,) * whole + ((rest,) if rest else ()))
        left //= extent
    return tuple(reversed(result))


def _ranges(extents):
    ends = list(itertools.accumulate(extents))
    return list(zip([0, *ends[:-1]], ends))


def _elements_of(ds, axis, mode, dtype, saturate):
    """The axis, not negative, and the elements' dtype of a take; its errors, before any task."""
    axis = axis + ds.ndim if -ds.ndim <= axis < 0 else axis
    nothing = ds.take(numpy.empty(0, "i8"), axis, mode, dtype=dtype, saturate=saturate)
    return axis, numpy.asarray(nothing).dtype


def _checked(indices, extent, axis, mode, first=0):
    """Indices between 0 and extent, by NumPy's rule for mode, in few bytes.

    first: the position of the first one, for the IndexError of one that is out of range.
    """
    small = numpy.dtype("i4" if extent <= 1 << 31 else "i8")
    if indices.size == 0:
        return indices.astype(small)
    if extent == 0:
        raise IndexError(f"{indices.size} indices for axis {axis}, whose extent is 0")
    if mode == "raise":
        low = -extent if indices.dtype.kind == "i" else 0
        if indices.min() < low or indices.max() >= extent:
            place = int(numpy.argmax((indices < low) | (indices >= extent)))
            raise IndexError(f"index {indices[place]} at position {first + place} is out of range "
                             f"for axis {axis}, whose extent is {extent}")
        wide = indices.astype("i8", copy=False)
        return numpy.where(wide < 0, wide + extent, wide).astype(small)
    if mode == "wrap":
        return (indices % indices.dtype.type(extent)).astype(small) \
            if extent <= numpy.iinfo(indices.dtype).max else \
            (indices.astype("i8") % extent).astype(small)
    return numpy.minimum(numpy.maximum(indices, 0), min(extent - 1, numpy.iinfo(indices.dtype).max)) \
        .astype(small)


def _indices_of(indices, extent, axis, mode):
    """Indices as tasks take them: an array that is checked, or a Dataset that workers read."""
    if isinstance(indices, (str, bytes, os.PathLike)):
        indices = _dataset.open(indices)
    if isinstance(indices, dask.array.Array):
        raise TypeError("indices are an array of NumPy's or a Dataset: compute() what Dask has, or "
                        "store() it and open the files")
    is_dataset = isinstance(indices, _core.Dataset)
    if is_dataset:
        indices = _opened(indices, indices.window)
        kind = numpy.asarray(indices[:0]).dtype.kind if indices.ndim == 1 else ""
    else:
        indices = numpy.asarray(indices)
        if indices.shape == (0,):
            indices = indices.astype("i8")  # of no numbers, the type says nothing
        kind = indices.dtype.kind
    if indices.ndim != 1 or kind not in ("i", "u"):
        raise IndexError(f"indices are integers along one axis, not of shape {indices.shape} and "
                         f"dtype {indices.dtype}")
    return indices if is_dataset else _checked(indices, extent, axis, mode)


# ---- What runs on a worker

def _worker():
    """The worker that runs this thread's task, or None."""
    try:
        return sys.modules["distributed"].get_worker()
    except (KeyError, ValueError, AttributeError):
        return None


def _here():
    worker = _worker()
    return f"worker {worker.address}" if worker is not None else f"machine {socket.gethostname()}"


def _cancellation():
    """A function for progress=, which raises once this thread's task is cancelled; or None.

    Dask itself lets a task that was cancelled run to its end, and its thread is taken until then.
    """
    worker = _worker()
    if worker is None:
        return None
    try:
        key, tasks = worker.get_current_task(), worker.state.tasks
    except (AttributeError, ValueError, KeyError):
        return None

    def check(done=0, total=0):
        del done, total
        task = tasks.get(key)
        if task is None or task.state == "cancelled":
            # Which is no failure: somebody may have asked for the task again by now.
            raise sys.modules["distributed"].Reschedule()

    return check


def _explained(error, files):
    """An error of files as it leaves a worker, whose address it then has."""
    words = str(error)
    for file in files:
        if file in words and not os.path.exists(file):
            return FileNotFoundError(errno.ENOENT, f"there is no such file on {_here()}", file)
    kind = _core.StaleError if isinstance(error, _core.StaleError) else OSError
    return kind(f"{words} (on {_here()})")


def _read(view):
    """What a Dataset has, in a new NumPy array."""
    try:
        out = numpy.empty(view.shape, numpy.asarray(view[(slice(0),) * view.ndim]).dtype)
        view.copy(out=out, progress=_cancellation())
        return out
    except OSError as error:
        raise _explained(error, view.files) from None


@dataclasses.dataclass(frozen=True)
class _Indices:
    """The indices of one chunk, or where a worker reads them."""

    source: typing.Any  # an array that is checked, or a Dataset
    begin: int
    end: int
    extent: int
    mode: str

    def __len__(self):
        return self.end - self.begin

    def values(self, axis, window):
        if not isinstance(self.source, _core.Dataset):
            return self.source
        indices = _read(self.source.with_window(window)[self.begin:self.end])
        return _checked(indices, self.extent, axis, self.mode, self.begin)


@dataclasses.dataclass(frozen=True)
class _Gather:
    """What all chunks of one take() have in common."""

    axis: int
    elements: dict  # dtype and saturate, as Dataset.take() has them
    dtype: typing.Any  # of the result, NumPy's
    window: int


@dataclasses.dataclass(frozen=True)
class _Chunk:
    """One chunk of a take(): one object, in which Dask does not look for keys."""

    gather: _Gather
    bounds: tuple  # of each axis but that of the indices, (begin, end), or None for all of it
    indices: _Indices

    def view(self, ds):
        if all(bound is None for bound in self.bounds):
            return ds
        return ds[tuple(slice(*(bound or (None,))) for bound in self.bounds)]

    def new(self, ds):
        shape = list(self.view(ds).shape)
        shape[self.gather.axis] = len(self.indices)
        return numpy.empty(shape, self.gather.dtype)

    def values(self):
        return self.indices.values(self.gather.axis, self.gather.window)


def _take(ds, chunk):
    """The chunk, read row by row."""
    out, indices = chunk.new(ds), chunk.values()
    try:
        chunk.view(ds).take(indices, chunk.gather.axis, out=out, progress=_cancellation(),
                            **chunk.gather.elements)
    except OSError as error:
        raise _explained(error, ds.files) from None
    return out


# ---- Graphs

def _task(key, function, *arguments):
    """A task, of which arguments that are a `_Result` are what another one returns."""
    if Task is None:
        return (function, *(each.key if isinstance(each, _Result) else each for each in arguments))
    return Task(key, function, *(TaskRef(each.key) if isinstance(each, _Result) else each
                                 for each in arguments))


@dataclasses.dataclass(frozen=True)
class _Result:
    key: typing.Any


def _itself(value):
    return value


def _shared(ds, name, graph):
    """A Dataset as an argument of many tasks, in a task of its own if it is large."""
    if len(pickle.dumps(ds)) <= _INLINE:
        return ds
    graph[f"{name}-dataset"] = _task(f"{name}-dataset", _itself, ds)
    return _Result(f"{name}-dataset")


class _Plan:
    """A take() with every choice made: the chunks and, of each, what its task is given."""

    def __init__(self, ds, indices, axis, chunks, mode, dtype, saturate, window):
        self.ds = _opened(ds, window)
        self.axis, element = _elements_of(self.ds, axis, mode, dtype, saturate)
        extent = self.ds.shape[self.axis]
        indices = _indices_of(indices, extent, self.axis, mode)
        self.shape = (*self.ds.shape[:self.axis], len(indices), *self.ds.shape[self.axis + 1:])
        self.dtype = element
        self.chunks = _chunks_of(chunks, self.shape, element)
        self.token = tokenize(self.ds, indices, self.axis, self.chunks, mode, str(dtype), saturate,
                              _core.__version__)
        self.indices = indices
        gather = _Gather(self.axis, {"dtype": dtype, "saturate": saturate}, element, self.ds.window)
        parts = [_Indices(indices if isinstance(indices, _core.Dataset) else indices[begin:end],
                          begin, end, extent, mode)
                 for begin, end in _ranges(self.chunks[self.axis])]
        bounds = [[None] if len(extents) == 1 else _ranges(extents) for extents in self.chunks]
        bounds[self.axis] = [None]
        self.parts = {}
        for place in itertools.product(*(range(len(extents)) for extents in self.chunks)):
            where = tuple(bound[0 if at == self.axis else i]
                          for at, (bound, i) in enumerate(zip(bounds, place)))
            self.parts[place] = _Chunk(gather, where, parts[place[self.axis]])


def _array(name, graph, plan):
    layered = HighLevelGraph.from_collections(name, graph, dependencies=[])
    return dask.array.Array(layered, name, plan.chunks, meta=numpy.empty((0,) * len(plan.shape),
                                                                         plan.dtype))


def array(ds, *, chunks="128 MiB", window="64 MiB"):
    """A Dataset as a dask.array.Array, whose chunks are slices.

    ds: what multibuffer.open() makes of files that all workers find under the same names.
    chunks: bytes, an int or tuples as Dask takes them; by bytes, the first axes are cut.
    window: the bytes that are read at a time; 0 maps files.

    What is read is what is used: x[:10] reads ten rows. To take rows in another order, take() is
    faster than x[order] by far.
    """
    ds = _opened(ds, window)
    slices = _Slices(ds, numpy.asarray(ds[(slice(0),) * ds.ndim]).dtype)
    chunks = _chunks_of(chunks, ds.shape, slices.dtype)
    name = f"multibuffer-array-{tokenize(ds, chunks)}"
    meta = numpy.empty((0,) * ds.ndim, slices.dtype)
    if Task is not None:
        return dask.array.from_array(slices, chunks, name=name, asarray=False, meta=meta,
                                     inline_array=len(pickle.dumps(ds)) <= _INLINE)
    # Dask of before 2024.11 merges slices only with tasks that are not those of from_array().
    graph = {}
    source, ranges = _shared(slices, name, graph), [_ranges(extents) for extents in chunks]
    for place in itertools.product(*(range(len(extents)) for extents in chunks)):
        key = tuple(slice(*bounds[i]) for bounds, i in zip(ranges, place))
        graph[(name, *place)] = _task((name, *place), dask.array.core.getter, source, key, False,
                                      False)
    layered = HighLevelGraph.from_collections(name, graph, dependencies=[])
    return dask.array.Array(layered, name, chunks, meta=meta)


class _Slices:
    """A Dataset as from_array() takes it: slices are NumPy's arrays."""

    def __init__(self, ds, dtype):
        self._ds, self.dtype, self.shape, self.ndim = ds, dtype, ds.shape, ds.ndim

    def __getitem__(self, key):
        try:
            found = self._ds[key]
        except OSError as error:
            raise _explained(error, self._ds.files) from None
        return _read(found) if isinstance(found, _core.Dataset) else numpy.asarray(found)

    def __dask_tokenize__(self):
        return "multibuffer.dask._Slices", self._ds.__dask_tokenize__()

    def __reduce__(self):
        return _Slices, (self._ds, self.dtype)


def take(ds, indices, *, axis=0, chunks="128 MiB", mode="raise", dtype=None, saturate=False,
         window="64 MiB", passes="auto", scratch=None):
    """numpy.take of a Dataset as a dask.array.Array, each chunk of which one task reads.

    ds: what multibuffer.open() makes of files that all workers find under the same names.
    indices: integers along one axis, of NumPy's or a list: negative ones count from the end, and
      the order and repetitions are kept. Or a Dataset of them or the name of their file, which
      workers read: for more than some 10 million, of which the graph would have 4 or 8 bytes each.
    axis: the one that is indexed.
    chunks: of the result, bytes, or what Dask takes; by bytes, the first axes are cut.
    mode: what an index out of range means, as in Dataset.take().
    dtype, saturate: conversion while rows are read, as in Dataset.take().
    window: the bytes that are read at a time. 0 maps files: faster where they are in the page cache,
      but the pages count as the worker's memory, and a file that is cut ends the worker.
    passes: 1 reads each row where it lies. 2 first reads the whole dataset in order and writes its
      rows, by chunk of the result, into files in scratch; then reads these. That is sooner where
      rows are smaller than a page and the page cache is smaller than the dataset, since each chunk
      would otherwise read most pages again. "auto" is 2 where one pass would read more than four
      times the dataset, and the machines' memory does not hold it; the logger "multibuffer.dask"
      says which was taken, and why.
    scratch: a folder for two passes, which all workers see, with room for the result. Needed where
      workers are on several machines; on one, a temporary folder is made, and is removed with the
      last chunk, or when this process ends.

    An index out of range is an IndexError of this call, of a Dataset of indices one of the task.
    The name of the result is a token of all of this and of the files' sizes and times. A task that
    is cancelled ends within one window.
    """
    plan = _Plan(ds, indices, axis, chunks, mode, dtype, saturate, window)
    passes, reason = _passes_of(plan, passes, scratch)
    _log.info("take: %d pass%s: %s; %d chunks of up to %s", passes, "" if passes == 1 else "es",
              reason, len(plan.parts), _text(_chunk_bytes(plan)))
    if passes == 2:
        return _two_passes(plan, scratch)
    name, graph = f"multibuffer-take-{plan.token}", {}
    source = _shared(plan.ds, name, graph)
    for place, chunk in plan.parts.items():
        key = (name, *place)
        graph[key] = _task(key, _take, source, chunk)
    return _array(name, graph, plan)


# ---- One pass or two

def _text(count):
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.1f} {unit}" if unit != "B" and count < 10 else f"{count:.0f} {unit}"
        count /= 1024


def _row_bytes(plan):
    """The bytes of one index of the first axis in the files."""
    rows = plan.ds.shape[0]
    return plan.ds.nbytes // rows if rows else 0


def _chunk_bytes(plan):
    result = plan.dtype.itemsize
    for extents in plan.chunks:
        result *= max(extents)
    return result


def _obstacle(plan, scratch):
    """Why there cannot be two passes, or None."""
    if plan.axis != 0:
        return f"the indices are of axis {plan.axis}, not 0"
    if any(len(extents) > 1 for extents in plan.chunks[1:]):
        return "the chunks cut other axes than the first"
    if plan.ds.nbytes == 0 or 0 in plan.shape:
        return "there is nothing to read"
    if scratch is None and len(_hosts()) > 1:
        return "workers are on several machines, and scratch= names no folder that they share"
    try:
        numpy.asarray(plan.ds[(slice(0),) * plan.ds.ndim])
    except TypeError as error:
        return str(error)
    return None


def _workers():
    """What the scheduler says of its workers, by address; empty without a scheduler."""
    try:
        client = sys.modules["distributed"].default_client()
        if client.asynchronous:
            return {}
        try:
            return client.scheduler_info(n_workers=-1)["workers"]
        except TypeError:  # before 2025, which has them all
            return client.scheduler_info()["workers"]
    except (KeyError, ValueError, AttributeError, OSError):
        return {}


def _hosts():
    return {worker.get("host", address) for address, worker in _workers().items()}


def _cache_bytes():
    """The memory that can hold files: the free memory of this machine, or what workers may take of
    theirs."""
    workers = _workers()
    ours = {"127.0.0.1", "localhost", "::1", socket.gethostname()}
    try:
        ours.add(sys.modules["distributed"].utils.get_ip())
    except (KeyError, OSError):
        pass
    by_host = {}
    for address, worker in workers.items():
        host = worker.get("host", address)
        by_host[host] = by_host.get(host, 0) + (worker.get("memory_limit") or 0)
    if set(by_host) <= ours:
        with io.open("/proc/meminfo") as file:
            available = re.search(r"MemAvailable: *(\d+) kB", file.read())
        return int(available[1]) << 10 if available else 0
    return min(by_host.values())


def _bytes_read(plan, exactly):
    """The bytes of pages that the chunks of one pass read, at most; each reads no page twice."""
    row, whole = _row_bytes(plan), plan.ds.nbytes
    total = 0
    for part in plan.parts.values():
        count = len(part.indices)
        if exactly and row < _PAGE:
            pages = numpy.unique(part.indices.source.astype("i8") * row // _PAGE)
            total += min(len(pages) * _PAGE, whole)
        else:
            total += min(count * max(row, _PAGE), whole)
    return total


def _passes_of(plan, passes, scratch):
    """1 or 2, and why."""
    if passes not in ("auto", 1, 2):
        raise ValueError(f"passes {passes!r}: there are 'auto', 1 and 2")
    if passes == 1:
        return 1, "asked for"
    obstacle = _obstacle(plan, scratch)
    if passes == 2:
        if obstacle:
            raise ValueError(f"there cannot be two passes: {obstacle}")
        return 2, "asked for"
    whole = plan.ds.nbytes
    if plan.axis != 0 or whole == 0:
        return 1, obstacle or "there is nothing to read"
    most = _bytes_read(plan, False)
    if most <= 4 * whole:
        return 1, f"it reads {_text(most)} of files of {_text(whole)}"
    cache = _cache_bytes()
    if whole <= cache:
        return 1, f"the page cache holds the files' {_text(whole)} ({_text(cache)} of memory)"
    if not isinstance(plan.indices, _core.Dataset):
        most = _bytes_read(plan, True)
        if most <= 4 * whole:
            return 1, f"it reads {_text(most)} of files of {_text(whole)}"
    reads = f"one would read {_text(most)} of files of {_text(whole)}, in {_text(cache)} of memory"
    if obstacle:
        return 1, f"though {reads}, since {obstacle}"
    return 2, reads


# ---- Two passes
#
# Rows go through two kinds of files in one folder, each written under another name until it is whole:
#
#     indices of chunk j ──► rows-j: sorted, and which of them are of which block of the dataset
#     block i, in order  ──► part-i: the rows that any chunk wants, by chunk, in the order of rows-j
#     part-0, part-1 ... ──► chunk j: its rows of each part, put where the indices want them
#
# The first two kinds of tasks return names alone; each chunk waits for all parts. Without the files,
# which somebody may have removed, a chunk is read in one pass.

@dataclasses.dataclass(frozen=True)
class _Scratch:
    """The folder of two passes, and the blocks and chunks that there are.

    A file has one group for each block (rows-j) or chunk (part-i): int64 that say where each group
    ends, in things, and then the things of all groups.
    """

    folder: str
    block_rows: int
    blocks: int
    chunks: int

    def path(self, kind, number):
        return os.path.join(self.folder, f"{kind}-{number:06d}")

    def groups(self, kind):
        return self.blocks if kind == "rows" else self.chunks

    def write(self, kind, number, groups):
        """Writes a file, of each group the pieces."""
        os.makedirs(self.folder, exist_ok=True)
        path = self.path(kind, number)
        own = f"{path}.{uuid.uuid4().hex}.tmp"
        try:
            with io.open(own, "wb", buffering=0) as file:
                file.seek(8 * self.groups(kind))
                ends, end = [], 0
                for pieces in groups:
                    for piece in pieces:
                        end += len(piece)
                        _write(file, piece)
                    ends.append(end)
                file.seek(0)
                _write(file, numpy.array(ends, "i8"))
            os.rename(own, path)
        except BaseException:
            _remove(own)
            raise

    def read(self, kind, number, group, dtype):
        """The things of one group of a file, a few MiB at a time."""
        path, most = self.path(kind, number), max(1, _PIECE // dtype.itemsize)
        with io.open(path, "rb", buffering=0) as file:
            ends = numpy.empty(min(group, 1) + 1, "i8")
            _fill(file, path, ends, 8 * (group - len(ends) + 1))
            begin, end = int(ends[0]) if group else 0, int(ends[-1])
            for at in range(begin, end, most):
                things = numpy.empty(min(most, end - at), dtype)
                _fill(file, path, things, 8 * self.groups(kind) + at * dtype.itemsize)
                yield things


def _write(file, values):
    view = memoryview(numpy.ascontiguousarray(values)).cast("B") if values.size else b""
    while len(view):
        view = view[file.write(view):]


def _fill(file, path, values, position):
    view = memoryview(values.view("u1"))
    while len(view):
        got = os.preadv(file.fileno(), [view], position)
        if got == 0:
            raise FileNotFoundError(errno.ENOENT, "is not whole", path)
        view, position = view[got:], position + got


def _remove(path):
    try:
        os.remove(path)
    except OSError:
        pass


def _bytes_as(array, count):
    """An array's memory as so many things of no further structure."""
    return array.reshape(-1).view("u1").view((numpy.void, array.nbytes // count))


def _row_numbers(scratch):
    """The type of a row's number within its block."""
    return numpy.dtype("u4" if scratch.block_rows <= 1 << 32 else "i8")


def _sort_rows(chunk, scratch, number):
    """First task of a chunk: its rows in the order of the dataset, by blocks."""
    rows = numpy.sort(chunk.values())
    firsts = numpy.arange(scratch.blocks) * scratch.block_rows
    bounds = [*numpy.searchsorted(rows, firsts), len(rows)]
    within = _row_numbers(scratch)
    groups = [[(rows[begin:end] - first).astype(within)]
              for first, begin, end in zip(firsts, bounds, bounds[1:])]
    # Another run for the same rows may have been interrupted, or end now and remove the folder.
    _remove(os.path.join(scratch.folder, "done", str(number)))
    for last in (False, False, True):
        try:
            return scratch.write("rows", number, groups)
        except FileNotFoundError:
            if last or not os.path.isdir(os.path.dirname(scratch.folder)):
                raise


def _partition(ds, sorted_, scratch, number):
    """The task of a block: reads it in order, and writes its rows by chunk of the result."""
    del sorted_
    check = _cancellation()
    begin = number * scratch.block_rows
    block = _read(ds[begin:begin + scratch.block_rows])
    block = _bytes_as(block, len(block))

    def wanted(j):
        for rows in scratch.read("rows", j, number, _row_numbers(scratch)):
            for part in _in_pieces(rows, block.dtype):
                if check is not None:
                    check()
                yield block[part]

    try:
        scratch.write("part", number, builtins.map(wanted, range(scratch.chunks)))
    except FileNotFoundError as error:
        if os.path.isdir(os.path.dirname(scratch.folder)):
            # Another run for the same rows has removed what the two shared, being done.
            with contextlib.suppress(OSError):
                os.rmdir(scratch.folder)  # which this one may have made again
            _log.info("block %d is not written: %s", number, error)
            return None
        raise FileNotFoundError(errno.ENOENT, "scratch= is to be a folder that all workers see; on "
                                f"{_here()} there is not", error.filename) from None


def _in_pieces(rows, row):
    most = max(1, _PIECE // row.itemsize)
    return (rows[at:at + most] for at in range(0, len(rows), most))


def _all(scratch, *_):
    """The name that those who wait for all tasks of a kind get."""
    return scratch


def _take_parts(ds, scratch, chunk, number):
    """The last task of a chunk: puts the rows of all parts where the indices want them."""
    # Rows that are alike are the same row, so their order is of no matter.
    order = numpy.argsort(chunk.values())
    out = chunk.new(ds)
    places = _bytes_as(out, len(out)) if len(out) else out
    row = numpy.dtype((numpy.void, ds.nbytes // len(ds)))
    check, at = _cancellation(), 0
    try:
        for i in range(scratch.blocks):
            for piece in scratch.read("part", i, number, row):
                if check is not None:
                    check()
                where = order[at:at + len(piece)]
                if chunk.gather.elements["dtype"] is not None:
                    source = numpy.asarray(ds[(slice(0),) * ds.ndim]).dtype
                    piece = _converted(piece.view("u1").view(source), chunk.gather)
                places[where] = _bytes_as(piece, len(where))
                at += len(where)
    except FileNotFoundError as error:
        _log.warning("chunk %d is read in one pass: %s", number, error)
        return _take(ds, chunk)
    _finished(scratch, number)
    return out


def _converted(values, gather):
    uploaded = _core.upload(values, "host", "in_place", None, False, False, None)
    return numpy.asarray(uploaded.copy(**gather.elements))


def _finished(scratch, number):
    """Removes the folder when the last chunk is there."""
    try:
        done = os.path.join(scratch.folder, "done")
        os.makedirs(done, exist_ok=True)
        io.open(os.path.join(done, str(number)), "w").close()
        if len(os.listdir(done)) == scratch.chunks:
            # At once, since another run may be about to write here.
            removed = f"{scratch.folder}.{uuid.uuid4().hex}"
            os.rename(scratch.folder, removed)
            shutil.rmtree(removed, ignore_errors=True)
    except OSError:
        pass  # somebody else has removed it


@functools.lru_cache(maxsize=None)
def _temporary(process):
    """A folder of this process, which is removed when it ends."""
    del process  # a forked one has another
    folder = tempfile.mkdtemp(prefix="multibuffer-",
                              dir=dask.config.get("temporary-directory", None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _two_passes(plan, scratch):
    ds, row = plan.ds, _row_bytes(plan)
    parent = _temporary(os.getpid()) if scratch is None else os.path.abspath(os.fspath(scratch))
    # Calls for the same rows share a folder: their files are the same.
    folder = os.path.join(parent, f"multibuffer-{plan.token}")
    token = tokenize(plan.token, folder)
    # A block is read at once, as a window is; there are some for each worker.
    block_bytes = max(_chunk_bytes(plan), min(ds.window or _WINDOW, ds.nbytes // 16))
    block_rows = max(1, block_bytes // row)
    blocks = -(-len(ds) // block_rows)
    files = _Scratch(folder, block_rows, blocks, len(plan.parts))
    _log.info("take: %d blocks of %s, by way of %s", blocks, _text(block_rows * row), folder)
    graph, name = {}, f"multibuffer-take-{token}"
    source = _shared(ds, name, graph)

    def keys(kind, count):
        return [(f"multibuffer-{kind}-{token}", i) for i in range(count)]

    def barrier(kind, after):
        key = f"multibuffer-{kind}-{token}"
        graph[key] = _task(key, _all, files, *builtins.map(_Result, after))
        return _Result(key)

    sorts = keys("sort", len(plan.parts))
    for (number, key), chunk in zip(enumerate(sorts), plan.parts.values()):
        graph[key] = _task(key, _sort_rows, chunk, files, number)
    is_sorted = barrier("sorted", sorts)
    blocks = keys("partition", blocks)
    for number, key in enumerate(blocks):
        graph[key] = _task(key, _partition, source, is_sorted, files, number)
    is_partitioned = barrier("partitioned", blocks)
    for number, (place, chunk) in enumerate(plan.parts.items()):
        key = (name, *place)
        graph[key] = _task(key, _take_parts, source, is_partitioned, chunk, number)
    return _array(name, graph, plan)


# ---- Files of a result

_DESCRIPTION = "multibuffer.json"


def _name_of(number):
    return f"{number:06d}.npy"


@dataclasses.dataclass(frozen=True)
class _Target:
    """A folder of a result; `run` names what one store() has under way there."""

    folder: str
    name: str
    run: str

    def path(self, number):
        return os.path.join(self.folder, _name_of(number))

    def check(self):
        """Refuses a folder that is not the one that store() has prepared."""
        try:
            with io.open(os.path.join(self.folder, _DESCRIPTION)) as file:
                if json.load(file)["name"] == self.name:
                    return
        except (OSError, ValueError, TypeError, KeyError):
            pass
        raise FileNotFoundError(errno.ENOENT, f"the folder of store() is not there on {_here()}",
                                self.folder)


def _save(chunk, target, number, shape, dtype):
    """Writes one chunk to a file, which has its name when it is whole."""
    if isinstance(chunk, numpy.ma.MaskedArray):
        raise TypeError(f"chunk {number} is masked, which .npy files are not: filled() it")
    chunk = numpy.asarray(chunk)
    if str(chunk.shape) != shape or chunk.dtype != dtype:
        raise ValueError(f"chunk {number} has shape {chunk.shape} and dtype {chunk.dtype}, and not "
                         f"{shape} and {dtype}, as the array says")
    target.check()
    own = os.path.join(target.folder, f".{_name_of(number)}.{target.run}.{uuid.uuid4().hex}.tmp")
    try:
        with io.open(own, "wb") as file:
            numpy.lib.format.write_array(file, numpy.ascontiguousarray(chunk), allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        os.rename(own, target.path(number))
    except BaseException:
        _remove(own)
        raise
    _sync(target.folder)
    return number


def _sync(folder):
    """Makes the names in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_there(path, shape, dtype):
    """Whether a file has an array of this shape and dtype, all of it."""
    try:
        array = numpy.load(path, mmap_mode="r" if 0 not in shape else None, allow_pickle=False)
    except (OSError, ValueError):
        return False
    return array.shape == shape and array.dtype == dtype


def store(y, folder, *, resume=True):
    """Writes each chunk of a dask.array.Array to a file, 000000.npy, 000001.npy, ... in folder.

    y: what take() returns, or any array whose chunks cut the first axis alone.
    folder: where all workers and this process see it; it is made if it is not there.
    resume: True leaves the files that an earlier call for the same array has written, and does the
      missing ones. False removes them first.

    A file has its name when it is whole and on the disk; a worker or a process that ends meanwhile
    leaves others (.*.tmp), which the next call removes. Returns the paths of all files, in order,
    as multibuffer.open() takes them. ValueError where the folder has files of another array, by its
    name, which for take() is a token of what is read: its files' sizes and times, the indices.
    """
    if not isinstance(y, dask.array.Array):
        raise TypeError(f"store() writes a dask.array.Array, not {type(y).__name__}")
    if y.ndim == 0 or any(len(extents) > 1 for extents in y.chunks[1:]):
        raise ValueError(f"store() writes chunks that cut the first axis alone, not "
                         f"{y.numblocks}; rechunk() it")
    if any(extent != extent for extent in y.chunks[0]):
        raise ValueError("store() needs chunks of known extents: compute_chunk_sizes()")
    if y.dtype.hasobject:
        raise TypeError(f"store() writes elements of fixed size, not {y.dtype}")
    target = _Target(os.path.abspath(os.fspath(folder)), y.name, uuid.uuid4().hex)
    shapes = [(int(extent), *y.shape[1:]) for extent in y.chunks[0]]
    _prepare(target, y, resume)
    missing = [i for i, shape in enumerate(shapes) if not _is_there(target.path(i), shape, y.dtype)]
    _log.info("store: %d of %d files are to be written to %s", len(missing), len(shapes), folder)
    try:
        if missing:
            _save_all(y, target, {i: shapes[i] for i in missing})
    finally:
        _remove_temporary(target.folder, target.run)
    for i in missing:
        if not _is_there(target.path(i), shapes[i], y.dtype):
            raise FileNotFoundError(errno.ENOENT, "a worker has written it, but it is not seen from "
                                    "here; workers and this process need the same folder",
                                    target.path(i))
    return [target.path(i) for i in range(len(shapes))]


def _save_all(y, target, shapes):
    name = f"multibuffer-store-{target.run}"
    graph, rest = {}, (0,) * (y.ndim - 1)
    for i, shape in shapes.items():
        graph[name, i] = _task((name, i), _save, _Result((y.name, i, *rest)), target, i, str(shape),
                               y.dtype)
    layered = HighLevelGraph.from_collections(name, graph, dependencies=[y])
    compute_as_if_collection(dask.array.Array, layered, list(graph))


def _prepare(target, y, resume):
    """Makes the folder say whose files it has."""
    os.makedirs(target.folder, exist_ok=True)
    path = os.path.join(target.folder, _DESCRIPTION)
    own = {"name": y.name, "shape": [int(extent) for extent in y.shape], "dtype": str(y.dtype),
           "rows": [int(extent) for extent in y.chunks[0]]}
    files = [name for name in os.listdir(target.folder) if re.fullmatch(r"\d{6,}\.npy", name)]
    try:
        with io.open(path) as file:
            there = json.load(file)
        if not isinstance(there, dict) or not isinstance(there.get("shape"), list):
            raise ValueError
    except FileNotFoundError:
        there = None
    except ValueError:
        raise ValueError(f"{path}: it is not what store() writes") from None
    if there is None and files:
        raise ValueError(f"{target.folder}: it has files that store() has not written "
                         f"({min(files)}); name another folder")
    if there is not None and there != own:
        if resume:
            raise ValueError(f"{target.folder}: it has files of another array, of shape "
                             f"{tuple(there.get('shape', ()))} and dtype {there.get('dtype')} (or of "
                             "the same array from other files); name another folder, or "
                             "resume=False to replace them")
    if not resume:
        for name in files:
            _remove(os.path.join(target.folder, name))
    _remove_temporary(target.folder, "")
    if there != own:
        new = f"{path}.{target.run}.tmp"
        with io.open(new, "w") as file:
            json.dump(own, file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, path)
        _sync(target.folder)


def _remove_temporary(folder, run):
    for name in os.listdir(folder):
        if name.startswith(".") and name.endswith(".tmp") and f".npy.{run}" in name:
            _remove(os.path.join(folder, name))


# ---- Batches on the workers' devices

def map(fn, ds, indices, *, axis=0, chunks="128 MiB", mode="raise", dtype=None, saturate=False,
        window="64 MiB", device="auto", resources=None):
    """Futures of fn(batch) for each chunk of a take(), gathered on the worker that runs fn.

    fn: called with a DeviceBuffer on the worker's device, which torch.from_dlpack(batch) takes
      without a copy. What it returns goes through Dask; a DeviceBuffer as a copy in host memory.
    ds, indices, axis, chunks, mode, dtype, saturate, window: as in take().
    device: "auto" is the first GPU that a worker sees, and else the host; or "host", "cuda",
      "cuda:N". A worker for each GPU sees its own by CUDA_VISIBLE_DEVICES.
    resources: what a task takes of a worker's resources, {"GPU": 1}, as in Client.submit().

    Needs a distributed.Client; returns its futures, in the order of the chunks.
    """
    from distributed import default_client

    client = default_client()
    plan = _Plan(ds, indices, axis, chunks, mode, dtype, saturate, window)
    name = f"multibuffer-map-{tokenize(fn, plan.token, device)}"
    source = plan.ds
    if len(pickle.dumps(source)) > _INLINE:
        source = client.submit(_itself, source, key=f"{name}-dataset")
    return [client.submit(_apply, fn, source, chunk, device, key=(name, *place), resources=resources,
                          pure=False)
            for place, chunk in plan.parts.items()]


def _apply(fn, ds, chunk, device):
    indices = chunk.values()
    try:
        batch = chunk.view(ds.on(device)).take(indices, chunk.gather.axis, progress=_cancellation(),
                                               **chunk.gather.elements)
    except OSError as error:
        raise _explained(error, ds.files) from None
    return fn(batch)


@sizeof.register(_core.DeviceBuffer)
def _sizeof_buffer(buffer):
    return buffer.nbytes if buffer.device == "host" else sys.getsizeof(buffer)


def _register_serialization():
    """Lets Dask send results, by a copy in host memory. Elements need a dtype of NumPy's."""
    try:
        from distributed.protocol import dask_deserialize, dask_serialize
    except ImportError:  # Dask alone has no workers
        return

    @dask_serialize.register(_core.DeviceBuffer)
    def serialize(buffer):
        held = numpy.asarray(buffer.to_host())
        values = numpy.ascontiguousarray(held)  # of no axes it makes one
        header = {"dtype": pickle.dumps(values.dtype), "shape": held.shape}
        return header, [memoryview(values.reshape(-1).view("u1"))]

    @dask_deserialize.register(_core.DeviceBuffer)
    def deserialize(header, frames):
        bytes_ = b"".join(frames) if len(frames) != 1 else frames[0]
        values = numpy.frombuffer(bytes_, pickle.loads(header["dtype"])).reshape(header["shape"])
        return _core.upload(values, "host", "in_place", None, False, False, None).copy()


_register_serialization()
