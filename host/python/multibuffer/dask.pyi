from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, Literal

import dask.array
from distributed import Future
from numpy.typing import ArrayLike

from . import Dataset, DeviceBuffer

# Chunks are bytes ("128 MiB") or what Dask takes.
def array(ds: Dataset, *, chunks: Any = "128 MiB", window: int | str = "64 MiB") -> dask.array.Array: ...
def take(
    ds: Dataset,
    indices: ArrayLike | Dataset | str | PathLike[str],
    *,
    axis: int = 0,
    chunks: Any = "128 MiB",
    mode: Literal["raise", "clip", "wrap"] = "raise",
    dtype: Any = None,
    saturate: bool = False,
    window: int | str = "64 MiB",
    passes: Literal["auto", 1, 2] = "auto",
    scratch: str | PathLike[str] | None = None,
) -> dask.array.Array: ...
def store(y: dask.array.Array, folder: str | PathLike[str], *, resume: bool = True) -> list[str]: ...
def map(
    fn: Callable[[DeviceBuffer], Any],
    ds: Dataset,
    indices: ArrayLike | Dataset | str | PathLike[str],
    *,
    axis: int = 0,
    chunks: Any = "128 MiB",
    mode: Literal["raise", "clip", "wrap"] = "raise",
    dtype: Any = None,
    saturate: bool = False,
    window: int | str = "64 MiB",
    device: str = "auto",
    resources: Mapping[str, float] | None = None,
) -> list[Future]: ...
