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

/// What this declares. An importer accepts any minor version of this major one.
inline constexpr Version version{1, 0};

static_assert(sizeof(Device) == 8);
static_assert(sizeof(DataType) == 4);
static_assert(sizeof(Tensor) == 48 && offsetof(Tensor, byte_offset) == 40);
static_assert(sizeof(ManagedTensor) == 64 && offsetof(ManagedTensor, deleter) == 56);
static_assert(sizeof(ManagedTensorVersioned) == 80);
static_assert(offsetof(ManagedTensorVersioned, flags) == 24);
static_assert(offsetof(ManagedTensorVersioned, tensor) == 32);

/// Where `buffer` is.
Device device_of(const DeviceBuffer& buffer);

/// `buffer` as a tensor that shares its memory, which its deleter lets go; the deleter may be
/// called on any thread. Work on the buffer's stream may still be writing to it. Throws
/// `format_unsupported` for elements that DLPack has no type for, and for a foreign byte order.
ManagedTensor* to_legacy(const DeviceBuffer& buffer);
ManagedTensorVersioned* to_versioned(const DeviceBuffer& buffer, std::uint64_t flags = 0);

/// `tensor` as an array view, borrowed. Throws `format_unsupported` for types without a PEP 3118
/// format (bfloat16, vectors, ...), `invalid_view` for devices that are neither a processor nor
/// CUDA.
ArrayView view(const Tensor& tensor, bool readonly);

}  // namespace multibuffer::dlpack
