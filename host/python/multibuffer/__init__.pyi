"""Arrays of pointers as N-dimensional arrays on a GPU, or on the host."""

from collections.abc import Iterator, Sequence
from types import EllipsisType
from typing import Any, ClassVar, Literal, SupportsIndex, TypeVar, overload

# An exporter of the buffer protocol, of DLPack or of __cuda_array_interface__, or a list of these.
_Array = Any
# Integers or booleans: any array of them, or sequences, nested or not.
_Indices = Any
# A CUDA stream of torch, of CuPy or of cuda.core, or its handle; None is the library's own.
_Stream = Any
_BasicKey = SupportsIndex | slice | EllipsisType | None
# A dtype of NumPy, torch or JAX, its name, a type string, or one of bool, int, float and complex.
_DType = Any
_Mode = Literal["raise", "clip", "wrap"]
_Out = TypeVar("_Out")

__version__: str

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

class DeviceArray:
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
    @property
    def device(self) -> str: ...
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
    def T(self) -> DeviceArray: ...
    def __len__(self) -> int: ...
    def __contains__(self, key: object) -> bool: ...
    def __iter__(self) -> Iterator[DeviceArray]: ...
    @overload
    def __getitem__(
        self, key: str | list[str] | _BasicKey | tuple[_BasicKey, ...]
    ) -> DeviceArray: ...
    @overload
    def __getitem__(self, key: _Indices) -> DeviceBuffer: ...
    def transpose(self, *axes: int | Sequence[int] | None) -> DeviceArray: ...
    def reshape(self, shape: int | Sequence[int], copy: bool | None = None) -> DeviceArray: ...
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
        stream: _Stream = None,
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
        stream: _Stream = None,
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
        stream: _Stream = None,
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
        stream: _Stream = None,
    ) -> _Out: ...
    @overload
    def copy(
        self,
        order: Literal["C", "F"] = "C",
        out: None = None,
        *,
        dtype: _DType | None = None,
        saturate: bool = False,
        stream: _Stream = None,
    ) -> DeviceBuffer: ...
    @overload
    def copy(
        self,
        order: Literal["C", "F"] = "C",
        *,
        out: _Out,
        dtype: _DType | None = None,
        saturate: bool = False,
        stream: _Stream = None,
    ) -> _Out: ...
    @overload
    def astype(
        self,
        dtype: _DType,
        *,
        order: Literal["C", "F"] = "C",
        saturate: bool = False,
        out: None = None,
        stream: _Stream = None,
    ) -> DeviceBuffer: ...
    @overload
    def astype(
        self,
        dtype: _DType,
        *,
        order: Literal["C", "F"] = "C",
        saturate: bool = False,
        out: _Out,
        stream: _Stream = None,
    ) -> _Out: ...
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
    ) -> Plan: ...
    def plan_copy(
        self,
        order: Literal["C", "F"] = "C",
        out: _Array = None,
        stream: _Stream = None,
        *,
        dtype: _DType | None = None,
        saturate: bool = False,
    ) -> Plan: ...
    def native(self, *, stream: _Stream = None) -> DeviceBuffer: ...
    def tobytes(self) -> bytes: ...
    def tolist(self) -> Any: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any: ...
    def update(self, obj: _Array, *, stream: _Stream = None) -> None: ...

class DeviceBuffer:
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
    @property
    def strides(self) -> tuple[int, ...]: ...
    @property
    def device(self) -> str: ...
    def __len__(self) -> int: ...
    def __contains__(self, key: object) -> bool: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def synchronize(self) -> None: ...
    def tobytes(self) -> bytes: ...
    def tolist(self) -> Any: ...
    def to_host(self) -> DeviceBuffer: ...
    def native(self, *, stream: _Stream = None) -> DeviceBuffer: ...
    def astype(
        self, dtype: _DType, *, saturate: bool = False, stream: _Stream = None
    ) -> DeviceBuffer: ...
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

class Plan:
    def run(self) -> DeviceBuffer: ...
    # Not written before the first run().
    @property
    def result(self) -> DeviceBuffer: ...

class Stack:
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
    @property
    def readonly(self) -> bool: ...
    @property
    def device(self) -> str: ...
    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any: ...

class Reference:
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
    @property
    def T(self) -> Reference: ...
    def __len__(self) -> int: ...
    def __contains__(self, key: object) -> bool: ...
    def __iter__(self) -> Iterator[Reference]: ...
    @overload
    def __getitem__(
        self, key: str | list[str] | _BasicKey | tuple[_BasicKey, ...]
    ) -> Reference: ...
    @overload
    def __getitem__(self, key: _Indices) -> DeviceBuffer: ...
    def transpose(self, *axes: int | Sequence[int] | None) -> Reference: ...
    def reshape(self, shape: int | Sequence[int], copy: bool | None = None) -> Reference: ...
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
    ) -> _Out: ...
    @overload
    def copy(
        self,
        order: Literal["C", "F"] = "C",
        out: None = None,
        *,
        dtype: _DType | None = None,
        saturate: bool = False,
    ) -> DeviceBuffer: ...
    @overload
    def copy(
        self,
        order: Literal["C", "F"] = "C",
        *,
        out: _Out,
        dtype: _DType | None = None,
        saturate: bool = False,
    ) -> _Out: ...
    @overload
    def astype(
        self,
        dtype: _DType,
        *,
        order: Literal["C", "F"] = "C",
        saturate: bool = False,
        out: None = None,
    ) -> DeviceBuffer: ...
    @overload
    def astype(
        self,
        dtype: _DType,
        *,
        order: Literal["C", "F"] = "C",
        saturate: bool = False,
        out: _Out,
    ) -> _Out: ...
    def tobytes(self) -> bytes: ...
    def tolist(self) -> Any: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any: ...

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
) -> DeviceArray: ...
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
def verify(
    result: _Array, expected: _Array, *, atol: float = 0.0, rtol: float = 0.0, ulp: int = 0
) -> Comparison: ...
def access(
    stream: _Stream,
    *reads: DeviceArray | DeviceBuffer,
    writes: DeviceArray | DeviceBuffer | Sequence[DeviceArray | DeviceBuffer] = (),
) -> Access: ...
def devices() -> list[DeviceInfo]: ...
