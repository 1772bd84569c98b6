"""multibuffer.open(): what it takes, and several datasets at once."""

import io
import mmap
import os
import sys

from . import _core, _loop

_UNITS = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
          "kb": 10**3, "mb": 10**6, "gb": 10**9}


def _bytes_of(size, name):
    """An int, or a str such as "64 MiB", as bytes."""
    if isinstance(size, bool):
        raise TypeError(f"{name} is a number of bytes, not a bool")
    if not isinstance(size, str):
        return size
    number = size.strip().rstrip("BGKMbgikm")
    unit = _UNITS.get(size.strip()[len(number):].lower())
    if unit is None or not number.strip().isdecimal():
        raise ValueError(f"{name} {size!r}: an int, or a str such as '64 MiB'")
    return int(number) * unit


def _is_name(source):
    return isinstance(source, (str, bytes, os.PathLike))


def _are_names(source):
    return isinstance(source, (list, tuple)) and len(source) > 0 and all(map(_is_name, source))


def _name(source):
    name = os.fspath(source)
    return name if isinstance(name, str) else os.fsdecode(name)


def _module(name):
    """A package, if somebody uses it already: then there may be objects of its."""
    return sys.modules.get(name)


def _memmap_file(source):
    """The file of a numpy.memmap, and the arguments that describe it there."""
    numpy = _module("numpy")
    if numpy is None or not isinstance(source, numpy.memmap) or source.filename is None:
        return None
    root = source
    while isinstance(root.base, numpy.memmap):
        root = root.base
    if root.mode == "c":
        raise ValueError("a numpy.memmap of mode 'c' may differ from its file; open the file")
    source.flush()
    _check_mapped(root)
    offset = root.offset + source.ctypes.data - root.ctypes.data
    return source.filename, {"dtype": source.dtype, "shape": source.shape, "offset": offset,
                             "strides": source.strides}


def _check_mapped(root):
    """Compares the ends of a mapping with the file of its name, which another may have by now."""
    ends = ((0, min(4096, len(root._mmap))), (max(0, len(root._mmap) - 4096), len(root._mmap)))
    # The mapping begins at the last page before the array.
    start = root.offset - root.offset % mmap.ALLOCATIONGRANULARITY
    with io.open(root.filename, "rb") as file:
        for first, last in ends:
            file.seek(start + first)
            if file.read(last - first) != root._mmap[first:last]:
                raise ValueError(f"{root.filename} is not the file that this numpy.memmap maps")


def _h5py_name(source):
    """The name of an h5py.Dataset, as open() takes it."""
    h5py = _module("h5py")
    if h5py is None or not isinstance(source, h5py.Dataset):
        return None
    if not source:
        raise ValueError("an h5py.Dataset whose file is closed")
    if source.name is None:
        raise ValueError("an h5py.Dataset without a name, which no file can be asked for")
    if source.file.mode != "r":
        source.file.flush()
    _check_opened(source.file)
    return f"{source.file.filename}::{_escaped(source.name)}"


def _escaped(name):
    """A name as a pattern that stands for nothing else, as by glob.escape()."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _check_opened(file):
    """Compares an h5py.File with the file of its name, which is another's where the directory was
    changed since."""
    try:
        opened = os.fstat(file.id.get_vfd_handle())
        named = os.stat(file.filename)
    except (AttributeError, NotImplementedError, OSError, RuntimeError, TypeError, ValueError):
        named = None
    if named is None or not os.path.samestat(opened, named):
        raise ValueError(f"an h5py.File that {file.filename} does not name, from here; open the "
                         "file by its full name")


def _is_arrow(source):
    """Whether it hands over Arrow's structs. NumPy's arrays lie where they are without."""
    numpy = _module("numpy")
    if numpy is not None and isinstance(source, numpy.ndarray):
        return False
    return any(hasattr(type(source), f"__arrow_c_{kind}__") for kind in ("stream", "array"))


def _open_files(*arguments):
    """Keeps h5py's threads out of libhdf5, which it may share with this library (Debian's h5py does)."""
    lock = getattr(_module("h5py._objects"), "phil", None)
    if lock is None:
        return _core.open_files(*arguments)
    with lock:
        return _core.open_files(*arguments)


def open(source, *, dtype=None, shape=None, offset=0, join="concatenate", window=0,
         device=None):
    """Arrays in files as one array, a Dataset, without reading more than headers.

    source: the name of a file; FILE::ARRAY for formats with arrays by name; a pattern, "shards/*.npy"
      for several files, joined in natural order, "model-*.safetensors::layers.*.w1" for several
      arrays, stacked along one new axis for each '*' behind the '::'; or a list of names. A file
      that is there is never taken for a pattern; else '[*]', '[?]' and '[[]', on both sides of the
      '::', are these characters themselves, as glob.escape() writes them, and '[:]' is a colon. Or
      an object that names its file: h5py.Dataset, numpy.memmap. Or what is in memory: tables and
      arrays of Arrow (pyarrow, polars, ...), one column of numbers, timestamps or fixed-size lists
      without nulls; a list of arrays of the host. Or a dict of all these: the result is then a
      Datasets, which reads several at once.
    dtype, shape, offset: of numbers in a file without a header: one extent of shape may be -1. They
      say what is in the file; to convert what is read, give take() or batches() a dtype.
    join: how several files become one array: "concatenate" along their axis 0, or "stack" along a
      new one.
    window: 0 maps files, and a file that is cut while it is read ends the process (SIGBUS), as with
      any mapping. Else the bytes that are read at a time by preadv, an int or "64 MiB": a file that
      is cut is then a StaleError, and no more memory is taken. For network file systems, and for
      workers whose memory is limited.
    device: where gathers put their results: "host", which None is, too, "auto", "cuda" or "cuda:N".
      A GPU receives the elements that are selected, and no others.

    Formats: .npy, .npz (stored), HDF5 (contiguous or chunked, without filters), safetensors, PNG
    (decoded whole when it is first needed), and plain numbers.

    A file that is not what it was when the dataset was opened is a StaleError of the call that
    needs it. OSError names a file that cannot be read, ValueError the first array that does not fit
    the others.

        >>> ds = multibuffer.open("shards/*.npy")
        >>> ds[[3, 1, 7]]                       # reads three rows
        >>> ds.on("cuda").take(order[:1024])    # 1,024 rows, on the GPU
    """
    window = _bytes_of(window, "window")
    if join not in ("concatenate", "stack"):
        raise ValueError(f"join {join!r}: there are 'concatenate' and 'stack'")
    described = dtype is not None or shape is not None or offset != 0
    if isinstance(source, dict):
        if not source:
            raise ValueError("a dict of datasets has at least one")
        if described:
            raise ValueError("dtype, shape and offset are of one file: open it by itself, and give "
                             "the Dataset as the dict's value")
        for name, each in source.items():
            if not isinstance(name, str) or isinstance(each, (dict, Datasets)):
                raise TypeError("a dict of datasets has names, which are str, and one source each")
        return Datasets({name: open(each, join=join, window=window, device=device)
                         for name, each in source.items()})
    if not _is_name(source) and not _are_names(source) and described:
        raise ValueError("dtype, shape and offset are of numbers in a file, which is given by name")
    if isinstance(source, _core.Dataset):
        source = source if device is None else source.on(device)
        return source.with_window(window) if window else source
    device = "host" if device is None else device
    how = {"dtype": dtype, "shape": shape, "offset": offset, "strides": None}
    if _is_name(source):
        names = [_name(source)]
    elif _are_names(source):
        names = list(map(_name, source))
    elif (found := _memmap_file(source)) is not None:
        names, how = [found[0]], found[1]
    elif (name := _h5py_name(source)) is not None:
        names = [name]
    else:
        if window:
            raise ValueError("what is in memory is not read in windows")
        if join != "concatenate":
            raise ValueError("what is in memory is joined along its axis 0; multibuffer.stack() "
                             "stacks arrays")
        parts = _parts_of(source)
        if parts and all(map(_is_arrow, parts)):
            return _core.open_arrow(parts, device)
        return _core.open_arrays(parts, device)
    return _open_files(names, join, window, how["dtype"], how["shape"], how["offset"],
                       how["strides"], device)


def _parts_of(source):
    """The arrays in memory that one array is made of."""
    # Not by list(), which takes memory for as many as the source's own __len__ says.
    return [part for part in source] if isinstance(source, (list, tuple)) else [source]


def _restored(state, device):
    """What a pickled Dataset becomes."""
    return _core.dataset_from_state(state, device)


def _restored_arrow(objects, view, device):
    """What a pickled Dataset of Arrow's columns becomes, which are pickled themselves."""
    return _core.arrow_from_state(objects, view, device)


def _token(dataset):
    """What Dask names a Dataset by: its description, or for arrays in memory itself alone."""
    try:
        return "multibuffer.Dataset", *dataset.__reduce__()[1]
    except TypeError:
        return "multibuffer.Dataset", os.urandom(16).hex()


def words_by_name(words, names):
    """{name: the words of its call} of words for several datasets: each a value for all, or a dict of
    those that it is for. None is a word that is not said."""
    for word, value in words.items():
        for name in value if isinstance(value, dict) else ():
            if name not in names:
                raise ValueError(f"{word} names {name!r}, which is none of the datasets")
    said = {}
    for name in names:
        values = {word: value.get(name) if isinstance(value, dict) else value
                  for word, value in words.items()}
        said[name] = {word: value for word, value in values.items() if value is not None}
    return said


class Datasets:
    """Several datasets of one length, read at once: a dict in, a dict out.

    What a Dataset reads is a dict of what each dataset reads, and a view of it, as slices, on() and
    with_window() give, is a Datasets. A name in brackets is its dataset, a list of names those.
    Where calls take dtype, saturate, scale, bias and channel_axis, each is a value for all datasets
    or a dict of those that it is for; out is a dict of all names. Each dataset counts its own
    progress.
    """

    def __init__(self, datasets):
        lengths = {name: len(dataset) for name, dataset in datasets.items()}
        if not lengths:
            raise ValueError("several datasets are at least one")
        first = next(iter(lengths))
        for name, length in lengths.items():
            if length != lengths[first]:
                raise ValueError(f"{name!r} has {length} rows, {first!r} has {lengths[first]}")
        self._datasets = dict(datasets)

    def __len__(self):
        return len(next(iter(self._datasets.values())))

    def __iter__(self):
        return iter(self._datasets)

    def keys(self):
        """The names, as of a dict."""
        return self._datasets.keys()

    def values(self):
        """The datasets, as of a dict."""
        return self._datasets.values()

    def items(self):
        """Names and datasets, as of a dict."""
        return self._datasets.items()

    def __contains__(self, name):
        return name in self._datasets

    def __getitem__(self, key):
        """A dataset by its name, several by a list of names; else a dict of dataset[key], which is a
        Datasets where key begins with a slice and is made of slices and integers."""
        if isinstance(key, str):
            return self._datasets[key]
        if isinstance(key, list) and key and all(isinstance(name, str) for name in key):
            return Datasets({name: self._datasets[name] for name in key})
        results = {name: dataset[key] for name, dataset in self._datasets.items()}
        keeps_rows = isinstance(key[0] if isinstance(key, tuple) and key else key, slice)
        if keeps_rows and all(isinstance(each, _core.Dataset) for each in results.values()):
            return Datasets(results)
        return results

    def _each(self, method, arguments, out, stream, progress, words):
        """{name: dataset.method(*arguments, ...)}, with each dataset's own words."""
        if out is not None and not isinstance(out, dict):
            raise TypeError(f"out is a dict, as the result is, not {type(out).__name__}")
        if out is not None and out.keys() != self._datasets.keys():
            raise ValueError(f"out has the names {list(out)}, not {list(self._datasets)}")
        said = words_by_name(words, self._datasets)
        return {name: getattr(dataset, method)(*arguments, out=None if out is None else out[name],
                                               stream=stream, progress=progress, **said[name])
                for name, dataset in self._datasets.items()}

    def take(self, indices, axis=0, mode="raise", out=None, *, dtype=None, saturate=False,
             scale=None, bias=None, channel_axis=-1, stream=None, progress=None):
        """Dataset.take() of each dataset, as a dict."""
        words = {"dtype": dtype, "saturate": saturate, "scale": scale, "bias": bias,
                 "channel_axis": channel_axis}
        return self._each("take", (indices, axis, mode), out, stream, progress, words)

    def gather(self, coordinates, mode="raise", out=None, *, dtype=None, saturate=False, scale=None,
               bias=None, channel_axis=-1, stream=None, progress=None):
        """Dataset.gather() of each dataset, as a dict."""
        words = {"dtype": dtype, "saturate": saturate, "scale": scale, "bias": bias,
                 "channel_axis": channel_axis}
        return self._each("gather", (coordinates, mode), out, stream, progress, words)

    def copy(self, order="C", out=None, *, dtype=None, saturate=False, scale=None, bias=None,
             channel_axis=-1, stream=None, progress=None):
        """Dataset.copy() of each dataset: all elements, as a dict."""
        words = {"dtype": dtype, "saturate": saturate, "scale": scale, "bias": bias,
                 "channel_axis": channel_axis}
        return self._each("copy", (order,), out, stream, progress, words)

    def upload(self, device=None, *, stream=None, progress=None):
        """Dataset.upload() of each dataset: a dict of DeviceArrays."""
        return {name: dataset.upload(device, stream=stream, progress=progress)
                for name, dataset in self._datasets.items()}

    def reference(self):
        """Dataset.reference() of each dataset, as a dict: what copy() is checked against."""
        return {name: dataset.reference() for name, dataset in self._datasets.items()}

    def on(self, device):
        """The same datasets, whose gathers put results on device."""
        return Datasets({name: dataset.on(device) for name, dataset in self._datasets.items()})

    def with_window(self, bytes):
        """The same datasets, read in windows of so many bytes, an int or '64 MiB'; 0 maps files."""
        return Datasets({name: dataset.with_window(bytes)
                         for name, dataset in self._datasets.items()})

    def batches(self, n, *, shuffle=False, seed=0, rank=0, world=1, device=None, prefetch=2,
                drop_last=False, dtype=None, scale=None, bias=None, channel_axis=-1,
                framework="torch"):
        """Dataset.batches() of all: a batch is a dict.

        dtype, scale, bias and channel_axis may be dicts too, of the datasets whose elements are to
        be converted.
        """
        return _loop.batches(self, n, shuffle=shuffle, seed=seed, rank=rank, world=world,
                             device=device, prefetch=prefetch, drop_last=drop_last, dtype=dtype,
                             scale=scale, bias=bias, channel_axis=channel_axis,
                             framework=framework)

    def torch(self):
        """Dataset.torch() of all: a sample is a dict."""
        from . import torch

        return torch.Samples(self)

    def __dask_tokenize__(self):
        """For Dask: what tells them from others."""
        return "multibuffer.Datasets", {name: each.__dask_tokenize__()
                                        for name, each in self._datasets.items()}

    def __reduce__(self):
        return Datasets, (self._datasets,)

    def __repr__(self):
        return f"Datasets({self._datasets!r})"


for _public in (open, Datasets):
    _public.__module__ = __package__
