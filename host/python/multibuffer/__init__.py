"""Arrays of pointers as N-dimensional arrays on a GPU, or on the host.

    >>> import multibuffer, numpy, torch
    >>> rows = [numpy.arange(i, i + 4.0) for i in range(1000)]  # each in memory of its own
    >>> array = multibuffer.upload(rows)                        # pointers become offsets
    >>> batch = array[[7, 5, 7], ::2]                           # slices are views, lists gather
    >>> torch.from_dlpack(batch)                                # without a copy

upload(obj) takes whatever exports the buffer protocol (PEP 3118), with pointer tables (suboffsets)
or without; DLPack; __cuda_array_interface__; and lists of these. It returns a DeviceArray, indexed
like a NumPy array. What it gathers is a DeviceBuffer, which NumPy, torch, CuPy, JAX and Numba take.

stack(arrays)       an exporter with suboffsets over separate buffers, without copying one
rows(image)         a Pillow image by its rows
reference(obj)      the same verbs by the original pointers, to check results against
verify(a, b)        the first difference, or none
devices()           what upload(obj, device=...) can name
"""

from ._core import (
    Axis,
    Comparison,
    DeviceArray,
    DeviceBuffer,
    DeviceInfo,
    Reference,
    Stack,
    __version__,
    devices,
    reference,
    stack,
    upload,
    verify,
)
from ._pillow import rows

__all__ = [
    "Axis",
    "Comparison",
    "DeviceArray",
    "DeviceBuffer",
    "DeviceInfo",
    "Reference",
    "Stack",
    "__version__",
    "devices",
    "reference",
    "rows",
    "stack",
    "upload",
    "verify",
]

rows.__module__ = __name__
