#include <multibuffer/device_buffer.hpp>
#include <multibuffer/error.hpp>

#include "host/backend/backend.hpp"
#include "host/backend/copy_plan.hpp"
#include "host/support/checked.hpp"
#include "host/support/text.hpp"
#include "host/upload/internals.hpp"

#include <cstdint>
#include <string>
#include <utility>

namespace multibuffer {

DeviceBuffer::DeviceBuffer(Parts parts) : parts_(std::move(parts)) {}

DeviceBuffer DeviceBuffer::from_host(const Device& device, const void* data,
                                     std::span<const std::int64_t> shape, Format format,
                                     const CallOptions& options) {
  if (options.watch.stop.stop_requested())
    throw Failure(Errc::cancelled, "before memory was copied to the device");
  // The view validates the shape and works out the strides.
  const ArrayView source = ArrayView::dense(data, shape, std::move(format));
  Parts parts{device,  source.format(), source.shape(), {},     nullptr,
              nullptr, options.stream,  nullptr,        nullptr};
  for (const Axis& axis : source.layout().axes()) parts.strides.push_back(axis.stride);
  parts.memory = backend_of(device).allocate(source.nbytes(), options.stream);
  parts.data = parts.memory->data();
  if (source.nbytes() > 0)
    backend_of(device).write(*parts.memory, 0, data, source.nbytes(), options.stream);
  return DeviceBuffer(std::move(parts));
}

std::int64_t DeviceBuffer::size() const {
  // The other extents of an empty buffer may be any, and their product need not fit.
  if (std::ranges::find(parts_.shape, 0) != parts_.shape.end()) return 0;
  std::int64_t size = 1;
  for (const std::int64_t extent : parts_.shape) size *= extent;
  return size;
}

bool DeviceBuffer::is_c_contiguous() const {
  if (std::ranges::find(shape(), 0) != shape().end()) return true;
  std::int64_t stride = format().itemsize();
  for (std::size_t i = shape().size(); i-- > 0;) {
    if (shape()[i] != 1 && strides()[i] != stride) return false;
    stride *= shape()[i];
  }
  return true;
}

void DeviceBuffer::synchronize() const {
  if (parts_.pending) parts_.pending->wait();
  if (parts_.memory)
    parts_.memory->wait_for_contents();
  else if (!parts_.pending)
    parts_.device.synchronize(parts_.stream);
}

void DeviceBuffer::order_before(StreamRef stream) const {
  if (parts_.pending || !parts_.memory) synchronize();
  if (parts_.memory) backend_of(parts_.device).hand_over(*parts_.memory, stream, true);
}

void DeviceBuffer::hand_over_unordered(StreamRef stream) const {
  if (parts_.memory) backend_of(parts_.device).hand_over(*parts_.memory, stream, false);
}

std::vector<std::byte> DeviceBuffer::to_host() const {
  std::vector<std::byte> bytes(static_cast<std::size_t>(nbytes()));
  copy_to_host(bytes);
  return bytes;
}

void DeviceBuffer::copy_to_host(std::span<std::byte> to) const {
  if (std::ssize(to) != nbytes())
    throw Failure(Errc::invalid_argument,
                  text("memory of ", to.size(), " bytes for a buffer of ", nbytes()));
  synchronize();
  if (to.empty()) return;
  Backend& backend = backend_of(device());
  if (is_c_contiguous()) return backend.read(to.data(), parts_.memory.get(), data(), nbytes());
  // A gather without tables or indices brings the elements into order on the device.
  CopyPlan plan;
  plan.indexed.base = data();
  plan.indexed.origins = {0};
  plan.run_bytes = format().itemsize();
  std::int64_t dense_stride = plan.run_bytes;
  for (std::size_t i = shape().size(); i-- > 0;) {
    plan.axes.push_back({shape()[i], dense_stride, 0, strides()[i]});
    dense_stride *= shape()[i];
  }
  simplify(plan);
  const std::shared_ptr<Memory> dense = backend.allocate(nbytes(), {});
  plan.dense.base = dense->data();
  std::vector<UsedMemory> uses{{dense, true}};
  if (parts_.memory) uses.push_back({parts_.memory, false});
  backend.copy(plan, false, uses, {}, {});
  backend.read(to.data(), dense.get(), dense->data(), nbytes());
}

void DeviceBuffer::require_elements(const Format& wanted) const {
  if (!same_meaning(format(), wanted))
    throw Failure(
        Errc::format_unsupported,
        text("elements of format '", format().text(), "' are not of the type asked for, '",
             wanted.text(), "' of ", wanted.itemsize(), " bytes; name their type, or let ",
             "the gather convert them (its option `format`)"));
}

void* DeviceBuffer::dense_on_host(std::size_t alignment, bool writable) const {
  const auto refuse = [](const std::string& why) { throw Failure(Errc::invalid_argument, why); };
  if (device().kind() != DeviceKind::host)
    refuse(text("the elements are on ", device().name(), "; to_host<T>() copies them"));
  if (!is_c_contiguous())
    refuse("the elements do not lie one after the other in C order; to_host<T>() copies them so");
  if (writable && readonly()) refuse("the elements are read-only; ask for const ones");
  if (size() > 0 && reinterpret_cast<std::uintptr_t>(data()) % alignment != 0)
    refuse(text("the address is not a multiple of ", alignment, " bytes; to_host<T>() copies"));
  synchronize();
  return data();
}

namespace {

/// The bytes that elements take around the address of index 0: [below, above).
struct Reach {
  std::int64_t below = 0, above = 0;
};
Reach reach_of(std::int64_t itemsize, std::span<const std::int64_t> shape,
               std::span<const std::int64_t> strides) {
  Reach reach{0, itemsize};
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) return {};
    const std::int64_t last = checked_multiply(strides[i], shape[i] - 1, "the reach of an axis");
    std::int64_t& end = last < 0 ? reach.below : reach.above;
    end = checked_add(end, last, "the reach of an axis");
  }
  return reach;
}

}  // namespace

DeviceBuffer DeviceBuffer::reinterpret(Format format, std::vector<std::int64_t> shape,
                                       std::vector<std::int64_t> strides) const {
  if (shape.size() != strides.size())
    throw Failure(Errc::invalid_argument,
                  text(strides.size(), " strides for the shape ", tuple_text(shape)));
  if (shape.size() > static_cast<std::size_t>(max_axes))
    throw Failure(Errc::invalid_argument,
                  text(shape.size(), " axes; there can be ", max_axes, " at most"));
  std::int64_t bytes = format.itemsize();
  for (const std::int64_t extent : shape) {
    if (extent < 0) throw Failure(Errc::invalid_argument, text("a negative extent, ", extent));
    bytes = checked_multiply(bytes, extent, "the size of the buffer");
  }
  const Reach own = reach_of(this->format().itemsize(), this->shape(), this->strides());
  const Reach wanted = reach_of(format.itemsize(), shape, strides);
  if (wanted.below < own.below || wanted.above > own.above)
    throw Failure(Errc::invalid_argument,
                  text("bytes ", wanted.below, " to ", wanted.above, " of a buffer that has ",
                       own.below, " to ", own.above));
  DeviceBuffer result = *this;
  result.parts_.format = std::move(format);
  result.parts_.shape = std::move(shape);
  result.parts_.strides = std::move(strides);
  return result;
}

DeviceBuffer DeviceBuffer::reinterpret(Format format) const {
  if (format.itemsize() != this->format().itemsize())
    throw Failure(Errc::invalid_argument,
                  text("format '", format.text(), "' of ", format.itemsize(),
                       " bytes for elements of ", this->format().itemsize()));
  DeviceBuffer result = *this;
  result.parts_.format = std::move(format);
  return result;
}

ArrayView DeviceBuffer::view() const {
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < parts_.shape.size(); ++i)
    axes.push_back({parts_.shape[i], parts_.strides[i], 0});
  const bool on_host = parts_.device.kind() == DeviceKind::host;
  return ArrayView(parts_.data, parts_.format, Layout(std::move(axes), {0}), readonly(),
                   on_host ? MemorySpace::host : MemorySpace::device);
}

}  // namespace multibuffer
