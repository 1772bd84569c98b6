"""Arrays of pointers as N-dimensional arrays on a GPU, or on the host."""

from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, Sequence, ValuesView
from types import EllipsisType
from typing import Any, ClassVar, Literal, SupportsIndex, TypeVar, final, overload, type_check_only

from typing_extensions import Self

# An exporter of the buffer protocol, of DLPack or of __cuda_array_interface__, a column of Arrow's, or
# a list of these.
_Array = Any
# Integers or booleans: any array of them, or sequences, nested or not.
_Indices = Any
# A CUDA stream of torch, of CuPy or of cuda.core, or its handle; None is the library's own.
_Stream = Any
_BasicKey = SupportsIndex | slice | EllipsisType | None
# A dtype of NumPy, torch or JAX, its name, a type string, or one of bool, int, float and complex.
_DType = Any
# A number, or numbers along one axis: a list, a tuple, or any array that has tolist().
_Floats = Any
_Mode = Literal["raise", "clip", "wrap"]
_Order = Literal["C", "F"]
# Called with the bytes done and the bytes in all.
_Progress = Callable[[int, int], object] | None
_Out = TypeVar("_Out")

__version__: str

# ---- What several classes have; no class of these names exists.

@type_check_only
class _Described:
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def itemsize(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def format(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    def __len__(self) -> int: ...

@type_check_only
class _Verbs(_Described):
    @property
    def T(self) -> Self: ...
    def __contains__(self, key: object) -> bool: ...
    def __iter__(self) -> Iterator[Self]: ...
    @overload
    def __getitem__(self, key: str | list[str] | _BasicKey | tuple[_BasicKey, ...]) -> Self: ...
    @overload
    def __getitem__(self, key: _Indices) -> DeviceBuffer: ...
    def transpose(self, *axes: int | Sequence[int] | None) -> Self: ...
    def reshape(self, shape: int | Sequence[int], copy: bool | None = None) -> Self: ...
    @overload
    def take(
        self,
        indices: _Indices,
        axis: int = 0,
        mode: _Mode = "raise",
        out: None = None,
        *,
        dtype: _DType | None = None,
        saturate: bool = False,
        scale: _Floats = None,
        bias: _Floats = None,
        channel_axis: int = -1,
        stream: _Stream = None,
        progress: _Progress = None,
    ) -> DeviceBuffer: ...
    @overload
    def take(
        self,
        indices: _Indices,
        axis: int = 0,
        mode: _Mode = "raise",
        *,
        out: _Out,
        dtype: _DType | None = None,
        saturate: bool = False,
        scale: _Floats = None,
        bias: _Floats = None,
        channel_axis: int = -1,
        stream: _Stream = None,
        progress: _Progress = None,
    ) -> _Out: ...
    @overload
    def gather(
        self,
        coordinates: Sequence[_Indices],
        mode: _Mode = "raise",
        out: None = None,
        *,
        dtype: _DType | None = None,
        saturate: bool = False,
        scale: _Floats = None,
        bias: _Floats = None,
        channel_axis: int = -1,
        stream: _Stream = None,
        progress: _Progress = None,
    ) -> DeviceBuffer: ...
    @overload
    def gather(
        self,
        coordinates: Sequence[_Indices],
        mode: _Mode = "raise",
        *,
        out: _Out,
        dtype: _DType | None = None,
        saturate: bool = False,
        scale: _Floats = None,
        bias: _Floats = None,
        channel_axis: int = -1,
        stream: _Stream = None,
        progress: _Progress = None,
    ) -> _Out: ...
    @overload
    def copy(
        self,
        order: _Order = "C",
        out: None = None,
        *,
        dtype: _DType | None = None,
        saturate: bool = False,
        scale: _Floats = None,
        bias: _Floats = None,
        channel_axis: int = -1,
        stream: _Stream = None,
        progress: _Progress = None,
    ) -> DeviceBuffer: ...
    @overload
    def copy(
        self,
        order: _Order = "C",
        *,
        out: _Out,
        dtype: _DType | None = None,
        saturate: bool = False,
        scale: _Floats = None,
        bias: _Floats = None,
        channel_axis: int = -1,
        stream: _Stream = None,
        progress: _Progress = None,
    ) -> _Out: ...
    @overload
    def astype(
        self,
        dtype: _DType,
        *,
        order: _Order = "C",
        saturate: bool = False,
        scale: _Floats = None,
        bias: _Floats = None,
        channel_axis: int = -1,
        out: None = None,
        stream: _Stream = None,
        progress: _Progress = None,
    ) -> DeviceBuffer: ...
    @overload
    def astype(
        self,
        dtype: _DType,
        *,
        order: _Order = "C",
        saturate: bool = False,
        scale: _Floats = None,
        bias: _Floats = None,
        channel_axis: int = -1,
        out: _Out,
        stream: _Stream = None,
        progress: _Progress = None,
    ) -> _Out: ...
    def tobytes(self) -> bytes: ...
    def tolist(self) -> Any: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any: ...

@type_check_only
class _HandedOn(_Described):
    @property
    def device(self) -> str: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any: ...
    @property
    def __array_interface__(self) -> dict[str, Any]: ...
    @property
    def __cuda_array_interface__(self) -> dict[str, Any]: ...
    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    __dlpack_c_exchange_api__: ClassVar[Any]

# ---- The classes

class Access:
    def __enter__(self) -> Access: ...
    def __exit__(self, kind: object, error: object, traceback: object) -> None: ...

class Axis:
    @property
    def extent(self) -> int: ...
    @property
    def stride(self) -> int: ...
    @property
    def level(self) -> int: ...

# What it yields are tensors of torch's or arrays of NumPy's; of a Datasets, dicts of them.
class Batches:
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...
    def state_dict(self) -> dict[str, int | bool]: ...
    def load_state_dict(self, state: Mapping[str, int | bool]) -> None: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

class Dataset(_Verbs):
    @property
    def files(self) -> list[str]: ...
    @property
    def device(self) -> str: ...
    @property
    def window(self) -> int: ...
    def on(self, device: str) -> Dataset: ...
    def with_window(self, bytes: int | str) -> Dataset: ...
    def upload(
        self,
        device: str | None = None,
        *,
        stream: _Stream = None,
        progress: _Progress = None,
    ) -> DeviceArray: ...
    def reference(self) -> DeviceBuffer: ...
    def batches(
        self,
        n: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        device: Any = None,
        prefetch: int = 2,
        drop_last: bool = False,
        dtype: _DType | None = None,
        scale: Any = None,
        bias: Any = None,
        channel_axis: Any = -1,
        framework: Literal["torch", "numpy"] = "torch",
    ) -> Batches: ...
    def torch(self) -> Any: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
    def __dask_tokenize__(self) -> Any: ...
    def __reduce_ex__(self, protocol: int) -> tuple[Any, ...]: ...

class Datasets:
    def __init__(self, datasets: Mapping[str, Dataset]) -> None: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[str]: ...
    def __contains__(self, name: object) -> bool: ...
    def keys(self) -> KeysView[str]: ...
    def values(self) -> ValuesView[Dataset]: ...
    def items(self) -> ItemsView[str, Dataset]: ...
    @overload
    def __getitem__(self, key: str) -> Dataset: ...
    @overload
    def __getitem__(self, key: slice | list[str]) -> Datasets: ...
    # A Datasets, too, where the key begins with a slice and gathers nothing.
    @overload
    def __getitem__(self, key: Any) -> dict[str, Any] | Datasets: ...
    # Where out is given, the result is a dict of what is in it, else of DeviceBuffers. Words about
    # elements are for all datasets, or a dict of those that they are for.
    def take(
        self,
        indices: _Indices,
        axis: int = 0,
        mode: _Mode = "raise",
        out: dict[str, _Array] | None = None,
        *,
        dtype: _DType | dict[str, _DType] | None = None,
        saturate: bool | dict[str, bool] = False,
        scale: Any = None,
        bias: Any = None,
        channel_axis: int | dict[str, int] = -1,
        stream: _Stream = None,
        progress: _Progress = None,
    ) -> dict[str, Any]: ...
    def gather(
        self,
        coordinates: Sequence[_Indices],
        mode: _Mode = "raise",
        out: dict[str, _Array] | None = None,
        *,
        dtype: _DType | dict[str, _DType] | None = None,
        saturate: bool | dict[str, bool] = False,
        scale: Any = None,
        bias: Any = None,
        channel_axis: int | dict[str, int] = -1,
        stream: _Stream = None,
        progress: _Progress = None,
    ) -> dict[str, Any]: ...
    def copy(
        self,
        order: _Order = "C",
        out: dict[str, _Array] | None = None,
        *,
        dtype: _DType | dict[str, _DType] | None = None,
        saturate: bool | dict[str, bool] = False,
        scale: Any = None,
        bias: Any = None,
        channel_axis: int | dict[str, int] = -1,
        stream: _Stream = None,
        progress: _Progress = None,
    ) -> dict[str, Any]: ...
    def upload(
        self,
        device: str | None = None,
        *,
        stream: _Stream = None,
        progress: _Progress = None,
    ) -> dict[str, DeviceArray]: ...
    def reference(self) -> dict[str, DeviceBuffer]: ...
    def on(self, device: str) -> Datasets: ...
    def with_window(self, bytes: int | str) -> Datasets: ...
    def batches(
        self,
        n: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        device: Any = None,
        prefetch: int = 2,
        drop_last: bool = False,
        dtype: _DType | Mapping[str, _DType] | None = None,
        scale: Any = None,
        bias: Any = None,
        channel_axis: Any = -1,
        framework: Literal["torch", "numpy"] = "torch",
    ) -> Batches: ...
    def torch(self) -> Any: ...
    def __dask_tokenize__(self) -> Any: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

# A file is not what it was when its dataset was opened.
class StaleError(OSError): ...

class DeviceArray(_Verbs, _HandedOn):
    @property
    def placement(self) -> Literal["packed", "preserved", "in_place"]: ...
    @property
    def storage_bytes(self) -> int: ...
    @property
    def levels(self) -> int: ...
    @property
    def axes(self) -> tuple[Axis, ...]: ...
    @property
    def origins(self) -> tuple[int, ...]: ...
    @property
    def tables(self) -> tuple[DeviceBuffer, ...]: ...
    @property
    def address(self) -> int: ...
    @property
    def unit(self) -> int: ...
    # numpy.void where NumPy is installed, else bytes.
    def element_view(self, levels: int = 1) -> Any: ...
    def through(self, axis: int, table: _Array) -> DeviceArray: ...
    def check_table(self, axis: int, table: _Array, *, allow_negative: bool = False) -> None: ...
    # Every run reads indices on the array's GPU again, if dense integers of 32 or 64 bits; all others
    # are copied, once.
    def plan_take(
        self,
        indices: _Indices,
        axis: int = 0,
        mode: _Mode = "raise",
        out: _Array = None,
        stream: _Stream = None,
        *,
        dtype: _DType | None = None,
        saturate: bool = False,
        scale: _Floats = None,
        bias: _Floats = None,
        channel_axis: int = -1,
    ) -> Plan: ...
    def plan_gather(
        self,
        coordinates: Sequence[_Indices],
        mode: _Mode = "raise",
        out: _Array = None,
        stream: _Stream = None,
        *,
        dtype: _DType | None = None,
        saturate: bool = False,
        scale: _Floats = None,
        bias: _Floats = None,
        channel_axis: int = -1,
    ) -> Plan: ...
    def plan_copy(
        self,
        order: _Order = "C",
        out: _Array = None,
        stream: _Stream = None,
        *,
        dtype: _DType | None = None,
        saturate: bool = False,
        scale: _Floats = None,
        bias: _Floats = None,
        channel_axis: int = -1,
    ) -> Plan: ...
    def native(self, *, stream: _Stream = None, progress: _Progress = None) -> DeviceBuffer: ...
    def update(
        self, obj: _Array, *, stream: _Stream = None, progress: _Progress = None
    ) -> None: ...
    def update_pointers(
        self, obj: _Array, *, stream: _Stream = None, progress: _Progress = None
    ) -> DeviceArray: ...

class DeviceBuffer(_HandedOn):
    @property
    def strides(self) -> tuple[int, ...]: ...
    def __contains__(self, key: object) -> bool: ...
    def synchronize(self) -> None: ...
    def tobytes(self) -> bytes: ...
    def tolist(self) -> Any: ...
    def to_host(self) -> DeviceBuffer: ...
    def native(self, *, stream: _Stream = None, progress: _Progress = None) -> DeviceBuffer: ...
    def astype(
        self,
        dtype: _DType,
        *,
        saturate: bool = False,
        stream: _Stream = None,
        progress: _Progress = None,
    ) -> DeviceBuffer: ...

class PlanExplanation:
    @property
    def device(self) -> str: ...
    @property
    def way(self) -> str: ...
    @property
    def because(self) -> str: ...
    @property
    def rows(self) -> int: ...
    @property
    def run_bytes(self) -> int: ...
    @property
    def bytes_read(self) -> int: ...
    @property
    def bytes_written(self) -> int: ...
    @property
    def bytes_of_tables(self) -> int: ...
    @property
    def bytes_of_indices(self) -> int: ...
    @property
    def expected(self) -> float: ...
    @property
    def reached(self) -> float | None: ...
    def json(self) -> str: ...
    def dict(self) -> dict[str, Any]: ...

class Plan:
    def run(self) -> DeviceBuffer: ...
    def explain(self, *, measure: bool = False) -> PlanExplanation: ...
    # Not written before the first run().
    @property
    def result(self) -> DeviceBuffer: ...

# Not by NamedTuple: it is made of one sequence, Packed((values, offsets)), and has no _replace() and
# its like.
@final
class Packed(tuple[Any, DeviceBuffer]):
    @property
    def values(self) -> Any: ...  # a DeviceBuffer or, where there was an out, that
    @property
    def offsets(self) -> DeviceBuffer: ...

class PackPlan:
    def run(self) -> Packed: ...
    def explain(self, *, measure: bool = False) -> PlanExplanation: ...
    # Its values are not written before the first run().
    @property
    def result(self) -> Packed: ...

class PadPlan:
    def run(self) -> DeviceBuffer: ...
    def explain(self, *, measure: bool = False) -> PlanExplanation: ...
    # Not written before the first run().
    @property
    def result(self) -> DeviceBuffer: ...

@type_check_only
class _Ragged:
    @property
    def shape(self) -> tuple[int | None, ...]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def lengths(self) -> DeviceBuffer: ...
    @property
    def items(self) -> int: ...
    @property
    def longest(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def itemsize(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def format(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    def __len__(self) -> int: ...
    def tolist(self) -> list[Any]: ...

class RaggedArray(_Ragged):
    @property
    def device(self) -> str: ...
    @property
    def placement(self) -> Literal["packed", "in_place"]: ...
    @property
    def storage_bytes(self) -> int: ...
    def __contains__(self, key: object) -> bool: ...
    def __iter__(self) -> Iterator[DeviceArray]: ...
    @overload
    def __getitem__(self, key: SupportsIndex) -> DeviceArray: ...
    @overload
    def __getitem__(self, key: slice | EllipsisType | str | list[str]) -> RaggedArray: ...
    @overload
    def __getitem__(self, key: _Indices) -> Packed: ...
    # Where out is given, it is the values of the result.
    def pack(
        self,
        rows: _Indices = None,
        *,
        mode: _Mode = "raise",
        out: _Array = None,
        dtype: _DType | None = None,
        saturate: bool = False,
        offsets_dtype: _DType = "int64",
        items: int | None = None,
        stream: _Stream = None,
        progress: _Progress = None,
    ) -> Packed: ...
    # Shares the rows.
    def take(
        self,
        indices: _Indices,
        *,
        mode: _Mode = "raise",
        stream: _Stream = None,
        progress: _Progress = None,
    ) -> RaggedArray: ...
    @overload
    def pad(
        self,
        rows: _Indices = None,
        *,
        length: int | None = None,
        fill: Any = 0,
        side: Literal["right", "left"] = "right",
        truncate: bool | Literal["right", "left"] = False,
        mode: _Mode = "raise",
        out: None = None,
        dtype: _DType | None = None,
        saturate: bool = False,
        stream: _Stream = None,
        progress: _Progress = None,
    ) -> DeviceBuffer: ...
    @overload
    def pad(
        self,
        rows: _Indices = None,
        *,
        length: int | None = None,
        fill: Any = 0,
        side: Literal["right", "left"] = "right",
        truncate: bool | Literal["right", "left"] = False,
        mode: _Mode = "raise",
        out: _Out,
        dtype: _DType | None = None,
        saturate: bool = False,
        stream: _Stream = None,
        progress: _Progress = None,
    ) -> _Out: ...
    def plan_pack(
        self,
        rows: _Indices = None,
        *,
        mode: _Mode = "raise",
        out: _Array = None,
        dtype: _DType | None = None,
        saturate: bool = False,
        offsets_dtype: _DType = "int64",
        items: int | None = None,
        stream: _Stream = None,
    ) -> PackPlan: ...
    def plan_pad(
        self,
        rows: _Indices = None,
        *,
        length: int | None = None,
        fill: Any = 0,
        side: Literal["right", "left"] = "right",
        truncate: bool | Literal["right", "left"] = False,
        mode: _Mode = "raise",
        out: _Array = None,
        dtype: _DType | None = None,
        saturate: bool = False,
        stream: _Stream = None,
    ) -> PadPlan: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any: ...

class RaggedReference(_Ragged):
    def __contains__(self, key: object) -> bool: ...
    def __iter__(self) -> Iterator[DeviceBuffer]: ...
    def __getitem__(self, key: SupportsIndex) -> DeviceBuffer: ...
    def pack(
        self,
        rows: _Indices = None,
        *,
        mode: _Mode = "raise",
        dtype: _DType | None = None,
        saturate: bool = False,
        offsets_dtype: _DType = "int64",
    ) -> Packed: ...
    def pad(
        self,
        rows: _Indices = None,
        *,
        length: int | None = None,
        fill: Any = 0,
        side: Literal["right", "left"] = "right",
        truncate: bool | Literal["right", "left"] = False,
        mode: _Mode = "raise",
        dtype: _DType | None = None,
        saturate: bool = False,
    ) -> DeviceBuffer: ...

class Stack(_Described):
    @property
    def readonly(self) -> bool: ...
    @property
    def device(self) -> str: ...
    @overload
    def copy(self, out: None = None, *, progress: _Progress = None) -> DeviceBuffer: ...
    @overload
    def copy(self, out: _Out, *, progress: _Progress = None) -> _Out: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any: ...

class Reference(_Verbs): ...

class Explanation:
    @property
    def index(self) -> tuple[int, ...]: ...
    @property
    def value(self) -> str: ...
    # Each step is a dict: kind, words, level, position, in, and what the kind has.
    @property
    def pointers(self) -> tuple[dict[str, Any], ...] | None: ...
    @property
    def offsets(self) -> tuple[dict[str, Any], ...] | None: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    def __iter__(self) -> Iterator[dict[str, Any]]: ...
    def json(self) -> str: ...
    def dict(self) -> dict[str, Any]: ...

# Notebooks show it by its _repr_svg_.
class Drawing:
    @property
    def svg(self) -> str: ...
    def save(self, path: Any) -> None: ...

class Comparison:
    @property
    def elements(self) -> int: ...
    @property
    def mismatches(self) -> int: ...
    @property
    def first(self) -> tuple[int, ...] | None: ...
    @property
    def actual(self) -> str: ...
    @property
    def expected(self) -> str: ...
    @property
    def equal(self) -> bool: ...
    def __bool__(self) -> bool: ...

class DeviceInfo:
    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def memory_bytes(self) -> int: ...
    @property
    def free_bytes(self) -> int | None: ...

def upload(
    obj: _Array,
    *,
    device: str = "auto",
    placement: Literal["auto", "packed", "preserved", "in_place"] = "auto",
    stream: _Stream = None,
    keep_sources: bool = False,
    checked: bool = False,
    progress: _Progress = None,
) -> DeviceArray: ...
def ragged(
    rows: Any,
    *,
    offsets: _Indices = None,
    lengths: _Indices = None,
    device: str = "auto",
    placement: Literal["auto", "packed", "in_place"] = "auto",
    stream: _Stream = None,
    checked: bool = False,
    progress: _Progress = None,
) -> RaggedArray: ...
@overload
def gather_in_pieces(
    obj: _Array,
    key: Any = ...,
    *,
    device: str = "auto",
    memory_limit: int = 0,
    mode: _Mode = "raise",
    order: _Order = "C",
    out: None = None,
    dtype: _DType | None = None,
    saturate: bool = False,
    scale: _Floats = None,
    bias: _Floats = None,
    channel_axis: int = -1,
    stream: _Stream = None,
    progress: _Progress = None,
) -> DeviceBuffer: ...
@overload
def gather_in_pieces(
    obj: _Array,
    key: Any = ...,
    *,
    device: str = "auto",
    memory_limit: int = 0,
    mode: _Mode = "raise",
    order: _Order = "C",
    out: _Out,
    dtype: _DType | None = None,
    saturate: bool = False,
    scale: _Floats = None,
    bias: _Floats = None,
    channel_axis: int = -1,
    stream: _Stream = None,
    progress: _Progress = None,
) -> _Out: ...
@overload
def open(
    source: Mapping[str, Any],
    *,
    dtype: _DType | None = None,
    shape: int | Sequence[int] | None = None,
    offset: int = 0,
    join: Literal["concatenate", "stack"] = "concatenate",
    window: int | str = 0,
    device: str | None = None,
) -> Datasets: ...
@overload
def open(
    source: Any,
    *,
    dtype: _DType | None = None,
    shape: int | Sequence[int] | None = None,
    offset: int = 0,
    join: Literal["concatenate", "stack"] = "concatenate",
    window: int | str = 0,
    device: str | None = None,
) -> Dataset: ...
# (name, Debian's package that this build lacks, or None), for each format.
def file_formats() -> list[tuple[str, str | None]]: ...
def stack(arrays: Sequence[_Array]) -> Stack: ...
def from_pointers(
    pointers: _Array | Sequence[int],
    shape: int | Sequence[int],
    format: str | _DType = "B",
    *,
    strides: int | Sequence[int] | None = None,
    device: str = "host",
    owner: Any = None,
) -> Stack: ...
def rows(image: Any) -> Stack: ...
def reference(obj: _Array) -> Reference: ...
def ragged_reference(
    rows: Any, *, offsets: _Indices = None, lengths: _Indices = None
) -> RaggedReference: ...
def verify(
    result: _Array,
    expected: _Array,
    *,
    atol: float = 0.0,
    rtol: float = 0.0,
    ulp: int = 0,
    progress: _Progress = None,
) -> Comparison: ...
def explain(
    obj: _Array | DeviceArray | RaggedArray,
    index: int | Sequence[int],
    *,
    placement: Literal["auto", "packed", "preserved", "in_place"] = "auto",
    progress: _Progress = None,
) -> Explanation: ...
def draw(
    obj: _Array | DeviceArray | RaggedArray,
    key: _BasicKey | tuple[_BasicKey, ...] = ...,
    *,
    at: int | Sequence[int] | None = None,
    offsets: bool = True,
    placement: Literal["auto", "packed", "preserved", "in_place"] = "auto",
    title: str = "",
    progress: _Progress = None,
) -> Drawing: ...
def access(
    stream: _Stream,
    *reads: DeviceArray | RaggedArray | DeviceBuffer,
    writes: DeviceArray
    | RaggedArray
    | DeviceBuffer
    | Sequence[DeviceArray | RaggedArray | DeviceBuffer] = (),
) -> Access: ...
def devices() -> list[DeviceInfo]: ...
def include_dir() -> str: ...
