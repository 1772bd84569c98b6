"""What goes with torch's DataLoader: collate(), and the map-style dataset of Dataset.torch().

    >>> import multibuffer.torch
    >>> loader = torch.utils.data.DataLoader(samples, 256, num_workers=4,
    ...                                      collate_fn=multibuffer.torch.collate)

collate() makes of samples what torch's default_collate makes of them, and sooner where samples hold
NumPy arrays: it copies the arrays straight into the batch, by their addresses, where default_collate
makes a tensor of each. All else it leaves to torch. Torch 1.13 and later.
"""

import collections.abc
import operator

import numpy
import torch
from torch.utils.data import Dataset as _MapStyle
from torch.utils.data import get_worker_info
from torch.utils.data._utils import collate as _torch

from . import _core
from ._dataset import Datasets

__all__ = ["Rows", "Samples", "collate"]

# From this many arrays on, or this many bytes, addresses are sooner copied than tensors made. With
# fewer, what a call of either kind costs by itself decides.
_MANY, _LARGE = 8, 1 << 20
# Bytes of a result that torch is asked for: malloc keeps memory of such sizes for the next batch.
# Larger results are new memory from the kernel, which the library takes in larger pages.
_KEPT = range(1 << 18, 1 << 25)
_ARRAYS = {numpy.ndarray, numpy.memmap}


def collate(batch):
    """torch.utils.data.default_collate's result, bit for bit, faster for NumPy arrays.

    batch: a list of samples: arrays, tensors, numbers, str, bytes, or dicts, tuples, named tuples
      and lists of them, nested; or the Rows that Samples gives, whose batch is there already.

    In a worker of a DataLoader the result is in torch's shared memory. Arrays with negative strides
    (mirrored images), which default_collate refuses, are taken. What is registered in torch's
    default_collate_fn_map counts here too. Where samples do not fit together the error is torch's
    own kind, and names the first sample that does not fit sample 0.
    """
    if type(batch) is Rows and (whole := batch.whole()) is not None:
        return whole
    try:
        functions = _functions()
        own = functions.get(type(batch[0]))
        if own is not None:  # as torch's collate() begins, without the call
            return own(batch, collate_fn_map=functions)
        return _torch.collate(batch, collate_fn_map=functions)
    except (RuntimeError, TypeError, ValueError, KeyError) as error:
        difference = _difference(batch)
        if difference is None:
            raise
        raise type(error)(difference) from error


_seen, _ours = None, None


def _functions():
    """torch's table of functions by type, with ours for arrays where it has its own."""
    global _seen, _ours
    theirs = _torch.default_collate_fn_map
    if theirs != _seen:  # somebody has registered a type
        ours = dict(theirs)
        if ours.get(numpy.ndarray) is _torch.collate_numpy_array_fn:
            ours[numpy.ndarray] = _collate_arrays
        _ours, _seen = ours, dict(theirs)
    return _ours


def _collate_arrays(batch, *, collate_fn_map=None):
    if _ARRAYS.issuperset(map(type, batch)):
        first = batch[0]
        if len(batch) >= _MANY or len(batch) * first.nbytes >= _LARGE:
            if (tensor := _gathered(batch)) is not None:
                return tensor
        try:
            return _torch.collate_tensor_fn([torch.from_numpy(array) for array in batch])
        except (TypeError, ValueError):
            # Negative strides, for one; and for elements that torch has not, its own words.
            if (tensor := _gathered(batch)) is not None:
                return tensor
    return _torch.collate_numpy_array_fn(batch, collate_fn_map=collate_fn_map)


_types = {}


def _type_of(dtype):
    """torch's type for elements of dtype, or None."""
    if dtype not in _types:
        try:
            _types[dtype] = torch.from_numpy(numpy.empty(0, dtype)).dtype
        except (TypeError, ValueError):
            _types[dtype] = None
    return _types[dtype]


def _gathered(arrays):
    """Equal arrays as one tensor; None where they are not equal, or torch has no such elements."""
    first = arrays[0]
    element = _type_of(first.dtype)
    if element is None or first.size == 0 or first.ndim == 0:
        return None
    try:
        rows = _core.stack(list(arrays))
    except (BufferError, TypeError, ValueError):
        return None
    if rows.shape != (len(arrays), *first.shape):
        return None
    if get_worker_info() is not None:
        out = _shared(rows.shape, element)
    elif rows.nbytes in _KEPT:
        out = torch.empty(rows.shape, dtype=element)
    else:
        return torch.from_numpy(numpy.asarray(rows.copy()))
    rows.copy(out=out.numpy())
    return out


def _shared(shape, element):
    """A new tensor in the memory that a worker shares with the loader's process, which is how
    default_collate spares the loader a copy."""
    like = torch.empty(0, dtype=element)
    storage = like._typed_storage() if hasattr(like, "_typed_storage") else like.storage()
    size = 1
    for extent in shape:
        size *= extent
    return like.new(storage._new_shared(size, device=like.device)).resize_(*shape)


# ---- What does not fit, in words

def _difference(samples):
    """Says which sample differs from sample 0, and where: None if that is not what is wrong."""
    try:
        first = samples[0]
        for number in range(1, len(samples)):
            if (found := _between(first, samples[number], "")) is not None:
                where, is_, was = found
                return f"sample {number}{where} {is_}, sample 0{where} {was}"
    except Exception:  # the samples' own: torch's error says more
        pass
    return None


def _between(first, other, where):
    """(where, what other is there, what first is), or None."""
    if _is_array(first) or _is_array(other):
        if not (_is_array(first) and _is_array(other)):
            return where, f"is a {type(other).__name__}", f"a {type(first).__name__}"
        if tuple(first.shape) != tuple(other.shape) or _name(first) != _name(other):
            return where, f"is {_described(other)}", _described(first)
        return None
    if isinstance(first, (str, bytes)):
        return None
    if isinstance(first, collections.abc.Mapping):
        for key in first:
            if key not in other:
                return where, f"has no {key!r}", "has it"
            if (found := _between(first[key], other[key], f"{where}[{key!r}]")) is not None:
                return found
        return None
    if isinstance(first, collections.abc.Sequence):
        if not isinstance(other, collections.abc.Sequence):
            return where, f"is a {type(other).__name__}", f"a {type(first).__name__}"
        if len(first) != len(other):
            return where, f"has {len(other)} elements", f"{len(first)}"
        for i, (a, b) in enumerate(zip(first, other)):
            if (found := _between(a, b, f"{where}[{i}]")) is not None:
                return found
        return None
    if type(first) is not type(other):
        return where, f"is a {type(other).__name__}", f"a {type(first).__name__}"
    return None


def _is_array(value):
    return isinstance(value, (numpy.ndarray, torch.Tensor))


def _name(array):
    return str(array.dtype).replace("torch.", "")


def _described(array):
    return f"{tuple(array.shape)} {_name(array)}"


# ---- A dataset for DataLoader

class Rows(tuple):
    """Samples that were read as one batch; collate() takes the batch as it is."""

    def __new__(cls, columns, samples):
        result = super().__new__(cls, samples)
        result._columns = columns
        return result

    def whole(self):
        """The batch; None if a sample is not what it was."""
        if not isinstance(self._columns, dict):
            return self._columns[0]
        for name, (_, rows) in self._columns.items():
            if not all(map(operator.is_, (sample.get(name) for sample in self), rows)):
                return None
        if any(len(sample) != len(self._columns) for sample in self):
            return None
        return {name: batch for name, (batch, _) in self._columns.items()}

    def __reduce__(self):
        return tuple, (list(self),)


class Samples(_MapStyle):
    """A Dataset or Datasets as torch's DataLoader takes it, by index: Dataset.torch().

    A sample is a tensor, or a dict of tensors. A batch's samples are read at once
    (`__getitems__`, which torch 2.0 and later call), and are views of one tensor for each dataset,
    in shared memory where a worker reads them: multibuffer.torch.collate takes that as it is, and
    default_collate copies it. Files are opened in each worker when it first reads; the dataset
    itself is pickled as its description.
    """

    def __init__(self, dataset):
        self.dataset = dataset
        self._columns = {name: _Column(each) for name, each in dataset.items()} \
            if isinstance(dataset, Datasets) else _Column(dataset)

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        index = operator.index(index)
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f"sample {index} of {size}")
        return self.__getitems__([index])[0]

    def __getitems__(self, indices):
        if not isinstance(self._columns, dict):
            batch = self._columns.read(indices)
            return Rows((batch,), batch.unbind(0))
        columns = {}
        for name, column in self._columns.items():
            batch = column.read(indices)
            columns[name] = batch, batch.unbind(0)
        rows = zip(*(rows for _, rows in columns.values()))
        return Rows(columns, [dict(zip(columns, each)) for each in rows])

    def __reduce__(self):
        return Samples, (self.dataset,)


class _Column:
    """A dataset, and what its elements are in torch."""

    def __init__(self, dataset):
        from . import _loop

        column = _loop.Column(dataset, {}, torch)
        self._column, self._element = column, column.view_as
        none = column.take([])
        self._shape = none.shape[1:]
        if self._element is None:
            self._element = _type_of(numpy.asarray(none).dtype)

    def read(self, indices):
        if get_worker_info() is None:
            result = self._column.take(indices)
            return torch.from_dlpack(result) if self._column.view_as else \
                torch.from_numpy(numpy.asarray(result))
        out = _shared((len(indices), *self._shape), self._element)
        self._column.take(indices, out if self._column.view_as else out.numpy())
        return out
