#include <multibuffer/dlpack.hpp>
#include <multibuffer/error.hpp>

#include "host/backend/backend.hpp"
#include "host/format/scalar_type.hpp"
#include "host/support/checked.hpp"
#include "host/support/text.hpp"
#include "host/upload/internals.hpp"

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace multibuffer::dlpack {
namespace {

/// A tensor of others, once it has been taken over.
struct Taken {
  ManagedTensorVersioned* tensor = nullptr;

  Taken() = default;
  ~Taken() {
    if (tensor && tensor->deleter) tensor->deleter(tensor);
  }
  Taken(const Taken&) = delete;
  Taken& operator=(const Taken&) = delete;
};

/// Holds what a deleter has to release.
struct Manager {
  DeviceBuffer buffer;
  std::vector<std::int64_t> shape, strides;
};

DataType data_type(const Format& format) {
  const Type& type = format.type();
  const auto refuse = [&](const char* why) {
    throw Failure(Errc::format_unsupported,
                  text("DLPack cannot hold elements of format '", format.text(), "': ", why));
  };
  if (type.is_struct) refuse("they are structs");
  if (!is_native(type)) refuse("they are not in native byte order; convert them with native()");
  const ScalarRow* const row = find_scalar(type.kind, type.size, type.encoding);
  if (is_date(type)) refuse("they are dates or time spans, whose counts int64 holds");
  if (!row) refuse("they are no numbers");
  if (row->dlpack_code < 0) refuse("long double has no portable layout");
  return {static_cast<std::uint8_t>(row->dlpack_code), static_cast<std::uint8_t>(8 * type.size), 1};
}

std::unique_ptr<Manager> manage(const DeviceBuffer& buffer) {
  auto manager = std::make_unique<Manager>(Manager{buffer, buffer.shape(), {}});
  const std::int64_t itemsize = buffer.format().itemsize();
  for (std::size_t i = 0; i < buffer.shape().size(); ++i) {
    const std::int64_t stride = buffer.strides()[i];
    if (stride % itemsize != 0 && buffer.shape()[i] > 1 && buffer.size() > 0)
      throw Failure(Errc::format_unsupported,
                    text("DLPack counts strides in elements, and that of axis ", i, ", ", stride,
                         " bytes, is no multiple of ", itemsize, "; copy() makes them dense"));
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
  const ScalarRow* const row = find_scalar([&](const ScalarRow& known) {
    return known.dlpack_code == type.code && 8 * known.size == type.bits && type.lanes == 1;
  });
  if (!row)
    throw Failure(Errc::format_unsupported,
                  text("DLPack type code ", int{type.code}, " with ", int{type.bits}, " bits and ",
                       type.lanes, " lanes has no format; view it as integers of whole bytes"));
  return Format(row->format, row->size);
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
      throw Failure(Errc::invalid_view,
                    text("DLPack device type ", device.type, " is neither a processor nor CUDA"));
  }
}

}  // namespace

Device device_of(const DeviceBuffer& buffer) {
  const multibuffer::Device& device = buffer.device();
  return {device.kind() == DeviceKind::host ? device_cpu : device_cuda, device.ordinal()};
}

/// torch before 2.0 computes the size of a storage from the strides, finds that it overflows, and
/// ends the process, since the exception leaves a destructor.
void refuse_negative_strides(const DeviceBuffer& buffer) {
  for (std::size_t i = 0; i < buffer.shape().size(); ++i)
    if (buffer.strides()[i] < 0 && buffer.shape()[i] > 1)
      throw Failure(Errc::format_unsupported,
                    text("the stride of axis ", i,
                         " is negative, which consumers of DLPack before "
                         "version 1.0 do not expect; copy() makes it positive"));
}

ManagedTensor* to_legacy(const DeviceBuffer& buffer) {
  if (buffer.readonly())
    throw Failure(Errc::invalid_argument,
                  "the array is read-only, which DLPack before version 1.0 cannot say; ask for a "
                  "tensor of version 1.0");
  refuse_negative_strides(buffer);
  std::unique_ptr<Manager> manager = manage(buffer);
  auto managed = std::make_unique<ManagedTensor>(
      ManagedTensor{tensor_of(*manager), nullptr, let_go<ManagedTensor>});
  managed->manager = manager.release();
  return managed.release();
}

ManagedTensorVersioned* to_versioned(const DeviceBuffer& buffer, std::uint64_t flags) {
  std::unique_ptr<Manager> manager = manage(buffer);
  if (buffer.readonly()) flags |= flag_read_only;
  auto managed = std::make_unique<ManagedTensorVersioned>(ManagedTensorVersioned{
      version, nullptr, let_go<ManagedTensorVersioned>, flags, tensor_of(*manager)});
  managed->manager = manager.release();
  return managed.release();
}

bool is_named_type(const Format& format) {
  return !format.opaque() && !format.type().is_struct && !has_standard_codes(format.type());
}

ArrayView view(const Tensor& tensor, bool readonly) {
  if (tensor.ndim < 0 || tensor.ndim > max_axes || (tensor.ndim > 0 && !tensor.shape))
    throw Failure(Errc::invalid_view, text("a DLPack tensor with ", tensor.ndim, " axes",
                                           tensor.shape ? "" : " and no shape"));
  Format format = format_of(tensor.dtype);
  const MemorySpace space = space_of(tensor.device);
  const auto ndim = static_cast<std::size_t>(tensor.ndim);
  const auto* base = static_cast<const std::byte*>(tensor.data);
  std::uintptr_t first = 0;
  if (__builtin_add_overflow(reinterpret_cast<std::uintptr_t>(base), tensor.byte_offset, &first))
    throw Failure(Errc::size_overflow, text("the byte offset ", tensor.byte_offset,
                                            " of a DLPack tensor leads out of the address space"));
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an offset that may be wrong is no pointer arithmetic
  if (base) base = reinterpret_cast<const std::byte*>(first);
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
    throw Failure(Errc::invalid_view, text("DLPack version ", managed->version.major, ".",
                                           managed->version.minor, " is not understood"));
  if ((managed->flags & flag_read_only) != 0)
    throw Failure(Errc::invalid_view, "a read-only DLPack tensor; results can be written to");
  const ArrayView array = view(managed->tensor, false);
  BufferParts parts{.device = open_device(managed->tensor.device),
                    .format = array.format(),
                    .shape = array.shape(),
                    .strides = {},
                    .data = const_cast<std::byte*>(array.base()),
                    .memory = nullptr,
                    .stream = StreamRef::legacy(),
                    .pending = nullptr};
  for (const Axis& axis : array.layout().axes()) parts.strides.push_back(axis.stride);
  const auto taken = std::make_shared<Taken>();
  parts.owner = taken;
  taken->tensor = managed;  // last: after a failure it is still the caller's
  return make_buffer(std::move(parts));
}

ManagedTensorVersioned* allocate(const Tensor& prototype) {
  if (prototype.ndim < 0 || prototype.ndim > max_axes || (prototype.ndim > 0 && !prototype.shape))
    throw Failure(Errc::invalid_view, text("a DLPack prototype with ", prototype.ndim, " axes",
                                           prototype.shape ? "" : " and no shape"));
  // For its checks and its strides; nothing is read there.
  const Format format = format_of(prototype.dtype);
  const std::span<const std::int64_t> shape(prototype.shape,
                                            static_cast<std::size_t>(prototype.ndim));
  const auto* const nowhere = reinterpret_cast<const std::byte*>(std::uintptr_t{256});
  const ArrayView dense = ArrayView::dense(nowhere, shape, format);
  BufferParts parts{.device = open_device(prototype.device),
                    .format = format,
                    .shape = dense.shape(),
                    .strides = {},
                    .data = nullptr,
                    .memory = nullptr,
                    .stream = StreamRef::legacy(),
                    .pending = nullptr};
  for (const Axis& axis : dense.layout().axes()) parts.strides.push_back(axis.stride);
  parts.memory = backend_of(parts.device).allocate(dense.nbytes(), StreamRef::legacy());
  parts.data = parts.memory->data();
  return to_versioned(make_buffer(std::move(parts)));
}

}  // namespace multibuffer::dlpack
