"""Arrays of pointers as N-dimensional arrays on a GPU, or on the host.

    >>> import multibuffer, numpy, torch
    >>> rows = [numpy.arange(i, i + 4.0) for i in range(1000)]  # each in memory of its own
    >>> array = multibuffer.upload(rows)                        # pointers become offsets
    >>> batch = array[[7, 5, 7], ::2]                           # slices are views, lists gather
    >>> torch.from_dlpack(batch)                                # without a copy

upload(obj) takes whatever exports the buffer protocol (PEP 3118), with pointer tables (suboffsets)
or without; DLPack; __cuda_array_interface__; Arrow's columns; and lists of these. It returns a
DeviceArray, indexed like a NumPy array. What it gathers is a DeviceBuffer, which NumPy, torch, CuPy,
JAX and Numba take.

A DeviceArray whose pointers turned out regular (levels == 0), as those of upload(rows) mostly do,
goes to these packages as it is, without another copy: numpy.asarray(array) and
torch.from_dlpack(array) share its memory and show later updates. It is read-only there, since rows
may share memory; torch has no word for that, so do not write. An array that still has pointer
tables raises BufferError: hand on copy().

astype() converts elements as it gathers, and so do copy(), take() and gather() where they are given
a dtype: "float16", "bfloat16", ">i4" and their like; saturate=True is for integers that do not fit.

array.through(axis, table) indexes an axis through a table that lies on the device and may change, as
the block table of a paged cache.

DeviceArray.plan_copy(), plan_take() and plan_gather() are gathers decided once: Plan.run() is then
one launch.

ragged(rows)        rows of unequal length: pack() and pad() make them dense, array[[3, 1]] selects
open(source)        arrays in files as one array, read as it is indexed: a Dataset
dataset.batches(n)  its rows as a training loop takes them: torch's tensors, gathered ahead
multibuffer.torch   a module: collate() for torch's DataLoader; dataset.torch() is for it too
multibuffer.dask    a module: gathers of datasets on workers of Dask
gather_in_pieces(obj, key)  obj[key] through a GPU that the array need not fit on
stack(arrays)       an exporter with suboffsets over separate buffers, without copying one
from_pointers(p, shape)  an array by the addresses of its parts, in host or device memory
rows(image)         a Pillow image by its rows
reference(obj)      the same verbs by the original pointers, to check results against
explain(obj, (3, 1))  where one element is, step by step, by pointers and by offsets
draw(obj)           a picture of an array: its pointers, its rows, its offset arrays
verify(a, b)        true if they are equal; else it says the first difference
access(stream, a)   for kernels of your own: orders them with the library's work, and keeps a
include_dir()       the C++ header with which such a kernel reads a.element_view()
devices()           what upload(obj, device=...) can name

What cannot be done raises TypeError (an argument of another kind than is asked for), ValueError (of
that kind, but with no meaning here), IndexError, BufferError (memory that its owner does not give,
or that cannot be read or written as is asked for), OverflowError (an integer beyond 64 bits),
MemoryError, OSError (a file that cannot be read; StaleError, one that has changed), AttributeError
(an array interface that cannot say the array) or, where a device is not there or fails,
RuntimeError. What an object of yours raises while it is asked is passed on.

Objects are returned by these functions and their methods alone: the classes cannot be called or
derived from, and their objects are not pickled or copied by the copy module, but for datasets of
files and their batches, and but for a Packed: that is a tuple with names, which
Packed((values, offsets)) makes, too.
"""

import atexit as _atexit
import os as _os
import sys as _sys

from . import _core
from ._core import (
    Access,
    Axis,
    Comparison,
    Dataset,
    DeviceArray,
    DeviceBuffer,
    DeviceInfo,
    Drawing,
    Explanation,
    Packed,
    PackPlan,
    PadPlan,
    Plan,
    PlanExplanation,
    RaggedArray,
    RaggedReference,
    Reference,
    Stack,
    StaleError,
    __version__,
    devices,
    file_formats,
)

__all__ = [
    "Access",
    "Axis",
    "Batches",
    "Comparison",
    "Dataset",
    "Datasets",
    "DeviceArray",
    "DeviceBuffer",
    "DeviceInfo",
    "Drawing",
    "Explanation",
    "PackPlan",
    "Packed",
    "PadPlan",
    "Plan",
    "PlanExplanation",
    "RaggedArray",
    "RaggedReference",
    "Reference",
    "Stack",
    "StaleError",
    "__version__",
    "access",
    "devices",
    "draw",
    "explain",
    "file_formats",
    "from_pointers",
    "gather_in_pieces",
    "include_dir",
    "open",
    "ragged",
    "ragged_reference",
    "reference",
    "rows",
    "stack",
    "upload",
    "verify",
]

# Their modules, and what these import, take longer than all else here: they are loaded by the first
# use of a name.
_LATER = {"Batches": "_loop", "Datasets": "_dataset", "open": "_dataset", "rows": "_pillow"}


def __getattr__(name):
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module("." + _LATER[name], __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})


_is_ending = False


# Registered here, and not where _loop is loaded: that may be while the interpreter ends.
@_atexit.register
def _end():
    """Ends the threads of epochs, and lets no other begin."""
    global _is_ending
    _is_ending = True
    if loop := _sys.modules.get(f"{__name__}._loop"):
        loop._close_epochs()


def upload(
    obj,
    *,
    device="auto",
    placement="auto",
    stream=None,
    keep_sources=False,
    checked=False,
    progress=None,
):
    """Resolve the pointers of obj and bring what they lead to onto a device.

    obj: an exporter of the buffer protocol, with suboffsets or without, of DLPack or of
      __cuda_array_interface__; one column of Arrow's (pyarrow, polars, pandas), of numbers,
      timestamps or fixed-size lists without nulls, as open() takes it; or a list or tuple of these,
      at any nesting, as pointer tables over its parts. Parts that lie differently in memory are
      copied first. Rows of unequal length are for ragged().
    device: 'auto' (where obj is on a GPU, that; else the first GPU; else the host), 'host',
      'cuda' or 'cuda:N'.
    placement: 'packed' (the elements alone), 'preserved' (the memory they span), 'auto' (the
      smaller of the two), or 'in_place': nothing moves, and obj is held as long as the array.
    stream: the CUDA stream that the transfer is enqueued on: of torch, of CuPy, of cuda.core, or
      its handle. None is one of the library's own.
    keep_sources: hold obj as long as the array, and remember where each row came from, in some 80
      bytes a row, so that array.update_pointers() can share rows.
    checked: trust no address. Before anything is read, each pointer table and what each pointer
      leads to is proven to lie in host memory that this process can read; where one does not,
      BufferError says the axis and the index, where the process would else be ended. Costs about
      0.3 ms, and 8 ns a pointer. Memory of a GPU is not checked.
    progress: called with the bytes done and the bytes in all, now and then and at the end, by the
      thread that called upload(); each step of the work reports its own. What it raises stops the
      call and is raised by it.

    Unless it is in place or keeps sources, the array is a snapshot, and obj is let go of on
    return. A file that obj maps must not be cut short meanwhile: the process would be ended by
    SIGBUS.

    Memory is taken only from objects whose elements are what it holds, here and wherever arrays are
    read or written, as indices and as out. BufferError names what to call else: .resolve_conj() or
    .resolve_neg() for tensors of torch's that are conjugated or negated when they are read,
    .detach() for those that require a gradient, whatever the version of torch, .to_dense() for
    sparse ones, and .filled() or .data for masked arrays of NumPy's.
    """
    return _core.upload(obj, device, placement, stream, keep_sources, checked, progress)


def ragged(
    rows,
    *,
    offsets=None,
    lengths=None,
    device="auto",
    placement="auto",
    stream=None,
    checked=False,
    progress=None,
):
    """Rows of unequal length as one array, a RaggedArray.

        >>> array = multibuffer.ragged([numpy.arange(n, dtype="f4") for n in (2, 0, 3)])
        >>> array.pad(fill=-1).tolist()
        [[0.0, 1.0, -1.0], [-1.0, -1.0, -1.0], [0.0, 1.0, 2.0]]
        >>> values, offsets = array[[2, 0]]
        >>> values.tolist(), offsets.tolist()
        ([0.0, 1.0, 2.0, 0.0, 1.0], [0, 3, 5])

    rows: a list or tuple of arrays, as upload() takes them, of one format and of one shape but for
      the first axis; an array of NumPy's whose elements are such arrays; lists of Arrow's (pyarrow,
      polars), without nulls; a nested tensor of torch's; a Packed. With offsets or lengths, the
      array of all items, one row after the other. What is not dense in C order is copied.
    offsets: where each row begins in it and, last, where the last one ends, as torch's jagged layout
      and flash-attention's cu_seqlens say it. With lengths too, only where each begins.
    lengths: the items of each row.
    device: as in upload().
    placement: 'packed' (copied, each distinct row once), 'in_place' (nothing moves), or 'auto': in
      place where the device can read the rows where they are, those in host memory on the host and
      those of a GPU on it; else packed. An array in place holds its rows and shows what is written
      to them. Do not make them shorter meanwhile, nor let go of their memory: torch's resize_(),
      set_() and share_memory_(), an assignment to .data, Module.to() and sending a tensor through a
      queue of torch.multiprocessing give a tensor other memory, and nobody is told.
    stream, progress: as in upload().
    checked: as in upload(); BufferError names the row.
    """
    return _core.ragged(rows, offsets, lengths, device, placement, stream, checked, progress)


def gather_in_pieces(
    obj,
    key=...,
    *,
    device="auto",
    memory_limit=0,
    mode="raise",
    order="C",
    out=None,
    dtype=None,
    saturate=False,
    scale=None,
    bias=None,
    channel_axis=-1,
    stream=None,
    progress=None,
):
    """obj[key] by way of a device that obj need not fit on: in pieces, each of which brings only
    what its indices span. While one is gathered, the next is on its way.

    obj: host memory, as upload() takes it.
    key: slices, integers, index arrays and masks, as in array[key]; everything if not given.
    device: whose kernels gather, as in upload(). On the host nothing has to travel.
    memory_limit: the bytes of the device's memory that the call may have in use at a time, out
      apart; 0 is nine tenths of what is free. MemoryError if one element needs more.
    mode: what an index out of range means, as in take().
    order, out, dtype, saturate, scale, bias, channel_axis: as in array.copy().
    stream, progress: as in upload(); progress counts the bytes of the result.

    Returns a DeviceBuffer in host memory, or out, which may be on the device; it is complete.
    """
    return _core.gather_in_pieces(
        obj,
        key,
        device,
        memory_limit,
        mode,
        order,
        out,
        dtype,
        saturate,
        scale,
        bias,
        channel_axis,
        stream,
        progress,
    )


def stack(arrays):
    """Equal arrays as one, along a new first axis of pointers, without copying one.

    BufferError names the part that differs in shape, strides or format. The stack is writable
    where all parts are.
    """
    return _core.stack(arrays)


def from_pointers(pointers, shape, format="B", *, strides=None, device="host", owner=None):
    """An array by the addresses of its parts, without copying or touching one.

    pointers: the addresses, integers of 64 bits in an array of any shape, which may itself be made
      of pointers; their axes come first. They are read when the result is: by upload(), once. Or a
      list of int, [tensor.data_ptr() for tensor in tensors], which is copied.
    shape, format: of what is at each address, the format as PEP 3118 spells it ("f") or the dtype
      of a number ("float32", torch.float32).
    strides: of its axes, in bytes; C order if not given.
    device: whose memory it is in: 'host', 'cuda' or 'cuda:N'; an address does not tell.
    owner: held for as long as an array may read what the pointers lead to.

    The addresses are taken on your word: where one is wrong, so is everything that reads it. Work
    that is still to write there is for you to wait for.

        >>> block = torch.arange(12, device="cuda").reshape(3, 4)
        >>> addresses = block.data_ptr() + numpy.array([2, 0, 2]) * 32
        >>> rows = multibuffer.from_pointers(addresses, 4, "q", device="cuda", owner=block)
        >>> multibuffer.upload(rows, placement="in_place")[:, ::-1].tolist()
        [[11, 10, 9, 8], [3, 2, 1, 0], [11, 10, 9, 8]]
    """
    return _core.from_pointers(pointers, shape, format, strides, device, owner)


def reference(obj):
    """An array of host memory, as upload() takes them, to be read by its own pointers.

    It asks every object itself, by Python's protocols, where upload() may use tables of C functions.
    """
    return _core.reference(obj)


def explain(obj, index, *, placement="auto", progress=None):
    """Say step by step how an index leads to one element: by the pointers of obj and, side by side,
    by the offset arrays that upload(obj) would make.

        >>> rows = [numpy.arange(i, i + 4) for i in range(0, 12, 4)]
        >>> print(multibuffer.explain(rows, (2, 1)))

    obj: as upload() takes it; or an uploaded array, whose offset arrays alone are followed, and
      whose entries and element are read from its device; rows of unequal length, too, that
      ragged() has made. Of a Dataset, the pointers are those into its mapped files.
    index: an integer for each axis; negative ones count from the end, those of items from the end
      of their row.
    placement, progress: as in upload().

    Returns an Explanation: text when it is printed, steps when it is iterated over. IndexError for
    an index out of range, ValueError for another number of them, BufferError for a NULL on the way.
    """
    return _core.explain(obj, index, placement, progress)


def draw(obj, key=..., *, at=None, offsets=True, placement="auto", title="", progress=None):
    """Draw an array: its pointer tables, the rows that they lead to, which are shared, the bytes
    that are no elements and, beside them, the offset arrays that stand for them on a device.

    obj: as upload() takes it; or an uploaded array, which is drawn by its offset arrays; or rows of
      unequal length that ragged() has made.
    key: slices and integers, as in array[key]; what they leave out is drawn in grey. Of rows of
      unequal length, draw the slice.
    at: an element of obj[key], an integer for each axis: the way to it is marked, and written
      below step by step.
    offsets: False draws what obj is made of alone.
    placement, progress: as in upload().
    title: a heading; '' is one by the shape.

    Long axes are abridged. Returns a Drawing, which notebooks show; save(path) writes it as SVG.
    """
    return _core.draw(obj, key, at, offsets, placement, title, progress)


def ragged_reference(rows, *, offsets=None, lengths=None):
    """Rows of unequal length in host memory, as ragged() takes them, to check results against:

        >>> assert multibuffer.verify(multibuffer.ragged(rows).pad(),
        ...                           multibuffer.ragged_reference(rows).pad())
    """
    return _core.ragged_reference(rows, offsets, lengths)


def access(stream, *reads, writes=()):
    """Declare work of your own on arrays of a GPU, a kernel that you launch for example.

        >>> with multibuffer.access(stream, array, writes=result):
        ...     kernel[blocks, threads, stream](...)

    stream: a CUDA stream of torch, of CuPy, of cuda.core, or its handle; None is the library's own.
    reads, writes: what upload(), ragged() and gathers return; writes is one or a sequence of them.

    What is enqueued on stream in the block comes after the library's earlier work on that memory, and
    the library's later work on it, on any stream, comes after what is enqueued. The memory is kept
    until then. What consumers of __dlpack__ do on the stream that they named, and those of
    __cuda_array_interface__ on the legacy default stream, needs no access for the memory to stay. It
    needs one where the library writes the memory again (a plan's next run(), out, update()) on
    another stream than that.

    While it is open, another thread that would write the memory, or read what it writes, waits; this
    thread may do that on the same stream only, else ValueError. On a stream that is being captured
    into a CUDA graph, the host waits for earlier work; keep the arrays as long as the graph. On the
    host there is nothing to order. Name all arrays of a piece of work in one: threads that each have
    one open and want the other's may wait for each other for ever.
    """
    if isinstance(writes, (DeviceArray, RaggedArray, DeviceBuffer)):
        writes = (writes,)
    return _core.access(stream, reads, tuple(writes))


def include_dir():
    """The folder of the C++ headers with which a kernel reads an array by its element_view().

    Compilers take it as '-I' + include_dir(); the kernel includes <multibuffer/element_view.hpp>, which
    needs no other header under NVRTC, and C++17.

        >>> kernel = cupy.RawKernel(source, "sum_rows", options=("--std=c++17",
        ...                         "-I" + multibuffer.include_dir()))
        >>> with multibuffer.access(cupy.cuda.get_current_stream(), array):
        ...     kernel((blocks,), (threads,), (array.element_view(), sums))
    """
    return _os.path.join(_os.path.dirname(_os.path.abspath(__file__)), "include")


def verify(result, expected, *, atol=0.0, rtol=0.0, ulp=0, progress=None):
    """Compare two arrays of one shape and format, of whatever kind.

    By bits, so that a NaN equals itself; or within |result - expected| <= atol + rtol *
    |expected|, or ulp representable numbers. progress is that of upload().

    Rows of unequal length (a RaggedArray, a RaggedReference, a Packed) are equal to others if their
    lengths are and their values; of lengths that differ, the first row that does is told, as (row,)
    with its items. Another number of rows raises ValueError, as another shape does.
    """
    ragged_kinds = (RaggedArray, RaggedReference, Packed)
    if isinstance(result, ragged_kinds) and isinstance(expected, ragged_kinds):
        result, expected = (
            each if isinstance(each, Packed) else each.pack() for each in (result, expected)
        )
        rows, wanted = len(result.offsets) - 1, len(expected.offsets) - 1
        if rows != wanted:
            raise ValueError(f"{rows} rows, expected {wanted}")
        offsets = _core.verify(
            _int64(result.offsets), _int64(expected.offsets), 0.0, 0.0, 0, progress
        )
        if not offsets:
            lengths = _lengths_that_differ(result.offsets, expected.offsets)
            return offsets if lengths is None else lengths
        result, expected = result.values, expected.values
    return _core.verify(result, expected, atol, rtol, ulp, progress)


def _lengths_that_differ(result, expected):
    """A Comparison that says the first row that differs in length; None if none does."""
    lengths = [
        [end - begin for begin, end in zip(numbers, numbers[1:])]
        for numbers in (result.tolist(), expected.tolist())
    ]
    different = [row for row, (a, b) in enumerate(zip(*lengths)) if a != b]
    if not different:
        return None
    row = different[0]
    return _core.rows_that_differ(
        len(lengths[0]), len(different), row, lengths[0][row], lengths[1][row]
    )


def _int64(offsets):
    return offsets.astype("int64") if isinstance(offsets, DeviceBuffer) else offsets
