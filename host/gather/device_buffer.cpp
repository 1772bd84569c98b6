#include <multibuffer/device_buffer.hpp>
#include <multibuffer/error.hpp>

#include "host/backend/backend.hpp"
#include "host/backend/gather_plan.hpp"

#include <utility>

namespace multibuffer {

DeviceBuffer::DeviceBuffer(Parts parts) : parts_(std::move(parts)) {}

DeviceBuffer DeviceBuffer::from_host(const Device& device, const void* data,
                                     std::span<const std::int64_t> shape, Format format,
                                     StreamHandle stream) {
  // The view validates the shape and works out the strides.
  const ArrayView source = ArrayView::dense(data, shape, std::move(format));
  Parts parts{device,  source.format(), source.shape(), {},     nullptr,
              nullptr, stream,          nullptr,        nullptr};
  for (const Axis& axis : source.layout().axes()) parts.strides.push_back(axis.stride);
  parts.memory = device.backend().allocate(source.nbytes(), stream);
  parts.data = parts.memory->data();
  if (source.nbytes() > 0) device.backend().write(*parts.memory, 0, data, source.nbytes(), stream);
  return DeviceBuffer(std::move(parts));
}

std::int64_t DeviceBuffer::size() const {
  std::int64_t size = 1;
  for (const std::int64_t extent : parts_.shape) size *= extent;
  return size;
}

bool DeviceBuffer::is_c_contiguous() const {
  std::int64_t stride = format().itemsize();
  for (std::size_t i = shape().size(); i-- > 0;) {
    if (shape()[i] == 0) return true;
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

void DeviceBuffer::order_before(StreamHandle stream) const {
  if (parts_.pending || !parts_.memory) synchronize();
  if (parts_.memory) parts_.device.backend().hand_over(*parts_.memory, stream, true);
}

void DeviceBuffer::hand_over_unordered(StreamHandle stream) const {
  if (parts_.memory) parts_.device.backend().hand_over(*parts_.memory, stream, false);
}

std::vector<std::byte> DeviceBuffer::to_host() const {
  synchronize();
  std::vector<std::byte> bytes(static_cast<std::size_t>(nbytes()));
  if (bytes.empty()) return bytes;
  Backend& backend = device().backend();
  if (is_c_contiguous()) {
    backend.read(bytes.data(), parts_.memory.get(), data(), nbytes());
    return bytes;
  }
  // A gather without tables or indices brings the elements into order on the device.
  GatherPlan plan;
  plan.base = data();
  plan.origins = {0};
  plan.run_bytes = format().itemsize();
  std::int64_t out_stride = plan.run_bytes;
  for (std::size_t i = shape().size(); i-- > 0;) {
    plan.axes.push_back({shape()[i], out_stride, 0, strides()[i]});
    out_stride *= shape()[i];
  }
  simplify(plan);
  const std::shared_ptr<Memory> dense = backend.allocate(nbytes(), nullptr);
  plan.out = dense->data();
  std::vector<std::shared_ptr<Memory>> uses{dense};
  if (parts_.memory) uses.push_back(parts_.memory);
  backend.gather(plan, false, uses, nullptr, {});
  backend.read(bytes.data(), dense.get(), dense->data(), nbytes());
  return bytes;
}

ArrayView DeviceBuffer::view() const {
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < parts_.shape.size(); ++i)
    axes.push_back({parts_.shape[i], parts_.strides[i], 0});
  const bool on_host = parts_.device.kind() == DeviceKind::host;
  return ArrayView(parts_.data, parts_.format, Layout(std::move(axes), {0}), false,
                   on_host ? MemorySpace::host : MemorySpace::device);
}

}  // namespace multibuffer
