#include <multibuffer/dlpack.hpp>
#include <multibuffer/error.hpp>

#include "host/backend/backend.hpp"
#include "host/backend/legacy_stream.hpp"
#include "host/support/checked.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <bit>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace multibuffer::dlpack {
namespace {

/// What a deleter has to let go.
struct Manager {
  DeviceBuffer buffer;
  std::vector<std::int64_t> shape, strides;
};

/// The types that have a name and no code of PEP 3118.
struct NamedType {
  const char* name;
  DataType type;
};
constexpr NamedType named_types[] = {
    {"bfloat16", {code_bfloat, 16, 1}}, {"float8_e3m4", {7, 8, 1}},
    {"float8_e4m3", {8, 8, 1}},         {"float8_e4m3b11fnuz", {9, 8, 1}},
    {"float8_e4m3fn", {10, 8, 1}},      {"float8_e4m3fnuz", {11, 8, 1}},
    {"float8_e5m2", {12, 8, 1}},        {"float8_e5m2fnuz", {13, 8, 1}},
    {"float8_e8m0fnu", {14, 8, 1}},
};

const NamedType* named_type(const Format& format) {
  const auto* const found = std::ranges::find(named_types, format.text(), &NamedType::name);
  const bool is_it = found != std::end(named_types) && format.itemsize() == found->type.bits / 8;
  return is_it ? found : nullptr;
}

DataType data_type(const Format& format) {
  if (const NamedType* const named = named_type(format)) return named->type;
  const Type& type = format.type();
  const auto refuse = [&](const char* why) {
    throw Error(Errc::format_unsupported,
                text("DLPack cannot hold elements of format '", format.text(), "': ", why));
  };
  if (type.is_struct) refuse("they are structs");
  constexpr bool native_little = std::endian::native == std::endian::little;
  if (type.size > 1 && type.little_endian != native_little)
    refuse("they are not in native byte order; convert them with native()");
  DataType result{code_int, static_cast<std::uint8_t>(8 * type.size), 1};
  switch (type.kind) {
    case ScalarKind::boolean:
      result.code = code_bool;
      break;
    case ScalarKind::signed_integer:
      break;
    case ScalarKind::unsigned_integer:
      result.code = code_uint;
      break;
    case ScalarKind::real:
      if (type.size > 8) refuse("long double has no portable layout");
      result.code = code_float;
      break;
    case ScalarKind::complex:
      if (type.size > 16) refuse("long double has no portable layout");
      result.code = code_complex;
      break;
    default:
      refuse("they are no numbers");
  }
  return result;
}

std::unique_ptr<Manager> manage(const DeviceBuffer& buffer) {
  data_type(buffer.format());  // refuses elements without a type
  auto manager = std::make_unique<Manager>(Manager{buffer, buffer.shape(), {}});
  const std::int64_t itemsize = buffer.format().itemsize();
  for (std::size_t i = 0; i < buffer.shape().size(); ++i) {
    const std::int64_t stride = buffer.strides()[i];
    if (buffer.shape()[i] > 1 && stride % itemsize != 0)
      throw Error(Errc::format_unsupported,
                  text("DLPack counts strides in elements: axis ", i, " has a stride of ", stride,
                       " bytes for elements of ", itemsize, "; a copy is dense"));
    manager->strides.push_back(stride / itemsize);
  }
  return manager;
}

Tensor tensor_of(Manager& manager) {
  return {.data = manager.buffer.data(),
          .device = device_of(manager.buffer),
          .ndim = static_cast<std::int32_t>(manager.shape.size()),
          .dtype = data_type(manager.buffer.format()),
          .shape = manager.shape.data(),
          .strides = manager.strides.data(),
          .byte_offset = 0};
}

template <class Managed>
void let_go(Managed* self) {
  delete static_cast<Manager*>(self->manager);
  delete self;
}

Format format_of(const DataType& type) {
  const auto* const named = std::ranges::find(named_types, type, &NamedType::type);
  if (named != std::end(named_types)) return Format(named->name, type.bits / 8);
  const auto bytes = std::int64_t{type.bits} / 8;
  const char* code = nullptr;
  if (type.lanes == 1 && type.bits % 8 == 0) {
    if (type.code == code_bool && bytes == 1) code = "?";
    if (type.code == code_int)
      code = bytes == 1 ? "b" : bytes == 2 ? "h" : bytes == 4 ? "i" : bytes == 8 ? "q" : nullptr;
    if (type.code == code_uint)
      code = bytes == 1 ? "B" : bytes == 2 ? "H" : bytes == 4 ? "I" : bytes == 8 ? "Q" : nullptr;
    if (type.code == code_float)
      code = bytes == 2 ? "e" : bytes == 4 ? "f" : bytes == 8 ? "d" : nullptr;
    if (type.code == code_complex) code = bytes == 8 ? "Zf" : bytes == 16 ? "Zd" : nullptr;
  }
  if (!code)
    throw Error(Errc::format_unsupported,
                text("DLPack type code ", int{type.code}, " with ", int{type.bits}, " bits and ",
                     type.lanes, " lanes has no format; view it as integers of whole bytes"));
  return Format(code, bytes);
}

MemorySpace space_of(const Device& device) {
  switch (device.type) {
    case device_cpu:
    case device_cuda_host:
      return MemorySpace::host;
    case device_cuda:
    case device_cuda_managed:
      return MemorySpace::device;
    default:
      throw Error(Errc::invalid_view,
                  text("DLPack device type ", device.type, " is neither a processor nor CUDA"));
  }
}

}  // namespace

Device device_of(const DeviceBuffer& buffer) {
  const multibuffer::Device& device = buffer.device();
  return {device.kind() == DeviceKind::host ? device_cpu : device_cuda, device.ordinal()};
}

ManagedTensor* to_legacy(const DeviceBuffer& buffer) {
  std::unique_ptr<Manager> manager = manage(buffer);
  auto managed = std::make_unique<ManagedTensor>(
      ManagedTensor{tensor_of(*manager), nullptr, let_go<ManagedTensor>});
  managed->manager = manager.release();
  return managed.release();
}

ManagedTensorVersioned* to_versioned(const DeviceBuffer& buffer, std::uint64_t flags) {
  std::unique_ptr<Manager> manager = manage(buffer);
  auto managed = std::make_unique<ManagedTensorVersioned>(ManagedTensorVersioned{
      version, nullptr, let_go<ManagedTensorVersioned>, flags, tensor_of(*manager)});
  managed->manager = manager.release();
  return managed.release();
}

bool is_named_type(const Format& format) { return named_type(format) != nullptr; }

ArrayView view(const Tensor& tensor, bool readonly) {
  if (tensor.ndim < 0 || tensor.ndim > max_axes || (tensor.ndim > 0 && !tensor.shape))
    throw Error(Errc::invalid_view, text("a DLPack tensor with ", tensor.ndim, " axes",
                                         tensor.shape ? "" : " and no shape"));
  Format format = format_of(tensor.dtype);
  const MemorySpace space = space_of(tensor.device);
  const auto ndim = static_cast<std::size_t>(tensor.ndim);
  const auto* base = static_cast<const std::byte*>(tensor.data);
  if (base) base += tensor.byte_offset;
  if (!tensor.strides)
    return ArrayView::dense(base, {tensor.shape, ndim}, std::move(format), readonly, space);
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < ndim; ++i)
    axes.push_back({tensor.shape[i],
                    checked_multiply(tensor.strides[i], format.itemsize(),
                                     text("the stride of axis ", i, " in bytes")),
                    0});
  return ArrayView(base, std::move(format), Layout(std::move(axes), {0}), readonly, space);
}

namespace {

multibuffer::Device open_device(const Device& device) {
  return space_of(device) == MemorySpace::host
             ? multibuffer::Device::host()
             : multibuffer::Device::open(text("cuda:", device.id));
}

}  // namespace

DeviceBuffer take(ManagedTensorVersioned* managed) {
  if (managed->version.major != version.major)
    throw Error(Errc::invalid_view, text("DLPack version ", managed->version.major, ".",
                                         managed->version.minor, " is not understood"));
  if ((managed->flags & flag_read_only) != 0)
    throw Error(Errc::invalid_view, "a read-only DLPack tensor; results can be written to");
  const ArrayView array = view(managed->tensor, false);
  DeviceBuffer::Parts parts{.device = open_device(managed->tensor.device),
                            .format = array.format(),
                            .shape = array.shape(),
                            .strides = {},
                            .data = const_cast<std::byte*>(array.base()),
                            .memory = nullptr,
                            .stream = legacy_stream(),
                            .pending = nullptr};
  for (const Axis& axis : array.layout().axes()) parts.strides.push_back(axis.stride);
  parts.owner = std::shared_ptr<ManagedTensorVersioned>(managed, [](ManagedTensorVersioned* held) {
    if (held->deleter) held->deleter(held);
  });
  return DeviceBuffer(std::move(parts));
}

ManagedTensorVersioned* allocate(const Tensor& prototype) {
  if (prototype.ndim < 0 || prototype.ndim > max_axes || (prototype.ndim > 0 && !prototype.shape))
    throw Error(Errc::invalid_view, text("a DLPack prototype with ", prototype.ndim, " axes",
                                         prototype.shape ? "" : " and no shape"));
  // For its checks and its strides; nothing is read there.
  const Format format = format_of(prototype.dtype);
  const std::span<const std::int64_t> shape(prototype.shape,
                                            static_cast<std::size_t>(prototype.ndim));
  const auto* const nowhere = reinterpret_cast<const std::byte*>(std::uintptr_t{256});
  const ArrayView dense = ArrayView::dense(nowhere, shape, format);
  DeviceBuffer::Parts parts{.device = open_device(prototype.device),
                            .format = format,
                            .shape = dense.shape(),
                            .strides = {},
                            .data = nullptr,
                            .memory = nullptr,
                            .stream = legacy_stream(),
                            .pending = nullptr};
  for (const Axis& axis : dense.layout().axes()) parts.strides.push_back(axis.stride);
  parts.memory = parts.device.backend().allocate(dense.nbytes(), legacy_stream());
  parts.data = parts.memory->data();
  return to_versioned(DeviceBuffer(std::move(parts)));
}

}  // namespace multibuffer::dlpack
