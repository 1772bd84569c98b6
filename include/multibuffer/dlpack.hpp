#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/device_buffer.hpp>

#include <cstddef>
#include <cstdint>

/// DLPack: the structures of its 1.x ABI, declared here so that no header of it is needed, and the
/// ways in and out.
namespace multibuffer::dlpack {

// The names of devices and types that this library can hold; DLPack knows more.
inline constexpr std::int32_t device_cpu = 1;
inline constexpr std::int32_t device_cuda = 2;
inline constexpr std::int32_t device_cuda_host = 3;      ///< pinned memory
inline constexpr std::int32_t device_cuda_managed = 13;  ///< unified memory

inline constexpr std::uint8_t code_int = 0;
inline constexpr std::uint8_t code_uint = 1;
inline constexpr std::uint8_t code_float = 2;
inline constexpr std::uint8_t code_bfloat = 4;
inline constexpr std::uint8_t code_complex = 5;
inline constexpr std::uint8_t code_bool = 6;

inline constexpr std::uint64_t flag_read_only = 1;
inline constexpr std::uint64_t flag_is_copied = 2;

struct Device {  ///< DLDevice
  std::int32_t type;
  std::int32_t id;
};

struct DataType {  ///< DLDataType
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
  bool operator==(const DataType&) const = default;
};

struct Tensor {  ///< DLTensor
  void* data;
  Device device;
  std::int32_t ndim;
  DataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;  ///< in elements; NULL means C order
  std::uint64_t byte_offset;
};

struct ManagedTensor {  ///< DLManagedTensor, of a capsule named "dltensor"
  Tensor tensor;
  void* manager;
  void (*deleter)(ManagedTensor* self);
};

struct Version {  ///< DLPackVersion
  std::uint32_t major;
  std::uint32_t minor;
};

struct ManagedTensorVersioned {  ///< of a capsule named "dltensor_versioned"
  Version version;
  void* manager;
  void (*deleter)(ManagedTensorVersioned* self);
  std::uint64_t flags;
  Tensor tensor;
};

struct ExchangeHeader {  ///< DLPackExchangeAPIHeader
  Version version;
  const ExchangeHeader* previous;  ///< a table of an older major version, or NULL
};

/// DLPackExchangeAPI: how C code takes tensors from Python objects of one type and makes them, a
/// table that the type has in a capsule named "dlpack_exchange_api" as `__dlpack_c_exchange_api__`.
/// Functions return 0, or -1 with a Python exception set, and wait for no stream.
struct ExchangeTable {
  ExchangeHeader header;
  /// New memory, of the prototype's type, shape and device. Needs no GIL; errors go to `set_error`.
  int (*allocate)(Tensor* prototype, ManagedTensorVersioned** out, void* context,
                  void (*set_error)(void* context, const char* kind, const char* message));
  int (*from_object)(void* object, ManagedTensorVersioned** out);
  int (*to_object)(ManagedTensorVersioned* tensor, void** object);  ///< takes the tensor over
  int (*borrow)(void* object, Tensor* out);  ///< may be NULL, where there is no such thing
  /// Where work on tensors of this type belongs: what is queued there has been ordered before.
  int (*current_stream)(std::int32_t device_type, std::int32_t device_id, void** out);
};

/// The versions that this header declares. An importer accepts any minor version of this major one.
inline constexpr Version version{1, 0};
inline constexpr Version exchange_version{1, 2};

static_assert(sizeof(Device) == 8);
static_assert(sizeof(DataType) == 4);
static_assert(sizeof(Tensor) == 48 && offsetof(Tensor, byte_offset) == 40);
static_assert(sizeof(ManagedTensor) == 64 && offsetof(ManagedTensor, deleter) == 56);
static_assert(sizeof(ManagedTensorVersioned) == 80);
static_assert(offsetof(ManagedTensorVersioned, flags) == 24);
static_assert(offsetof(ManagedTensorVersioned, tensor) == 32);
static_assert(sizeof(ExchangeHeader) == 16 && sizeof(ExchangeTable) == 56);
static_assert(offsetof(ExchangeTable, from_object) == 24);
static_assert(offsetof(ExchangeTable, current_stream) == 48);

/// Where `buffer` is.
Device device_of(const DeviceBuffer& buffer);

/// Makes a tensor that shares the memory of `buffer`, which may be that of an uploaded array
/// (`DeviceArray::as_buffer`). The tensor's deleter lets the memory go, and may be called on any
/// thread. Work on the buffer's stream may still be writing to it. A read-only buffer sets
/// `flag_read_only`; `to_legacy`, which has no flags, throws `invalid_argument` for it. Throws
/// `format_unsupported` for elements that DLPack has no type for, for a non-native byte order, and
/// for strides that are no multiples of the itemsize; `to_legacy` also for negative strides.
ManagedTensor* to_legacy(const DeviceBuffer& buffer);
ManagedTensorVersioned* to_versioned(const DeviceBuffer& buffer, std::uint64_t flags = 0);

/// Returns `tensor` as an array view, borrowed. Types that PEP 3118 has no code for (bfloat16, the
/// floats of 8 bits) have their name as format (see `RealEncoding`). Throws `format_unsupported`
/// for vectors and elements of less than a byte, `invalid_view` for devices that are neither a
/// processor nor CUDA.
ArrayView view(const Tensor& tensor, bool readonly);

/// Returns true if elements of `format` are of a type that PEP 3118 has no code for.
bool is_named_type(const Format& format);

/// `managed` as a result that owns it. Throws what `view` throws, and `invalid_view` for one that
/// is read-only; it is then still the caller's.
DeviceBuffer take(ManagedTensorVersioned* managed);

/// New memory, dense in C order, with the type, shape and device of `prototype`.
ManagedTensorVersioned* allocate(const Tensor& prototype);

}  // namespace multibuffer::dlpack
