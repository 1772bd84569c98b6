#include <multibuffer/error.hpp>
#include <multibuffer/gather.hpp>

#include "host/gather/ready_gather.hpp"
#include "host/gather/result_axes.hpp"

#include <cstddef>
#include <utility>

namespace multibuffer {

DeviceBuffer gather(const DeviceArray& array, const Selection& selection,
                    const GatherOptions& options) {
  ReadyGather ready = make_ready(array, selection, options, false);
  if (ready.plan.rows > 0)
    ready.result.pending =
        backend_of(array.device())
            .copy(ready.plan, ready.check_on_device, ready.uses, options.stream, options.watch);
  DeviceBuffer buffer = make_buffer(std::move(ready.result));
  if (!ready.staged) return buffer;
  copy_out(buffer, *options.out, ready.strides);
  return make_buffer({.device = Device::host(),
                      .format = buffer.format(),
                      .shape = buffer.shape(),
                      .strides = ready.strides,
                      .data = static_cast<std::byte*>(options.out->data),
                      .memory = options.out->memory,
                      .stream = {},
                      .pending = nullptr,
                      .owner = options.out->owner});
}

Output output_of(const DeviceBuffer& buffer) {
  if (buffer.readonly())
    throw Failure(Errc::invalid_argument, "a read-only buffer cannot be an output");
  std::int64_t bytes = buffer.size() == 0 ? 0 : buffer.format().itemsize();
  for (std::size_t i = 0; bytes > 0 && i < buffer.shape().size(); ++i)
    bytes += (buffer.shape()[i] - 1) * buffer.strides()[i];
  return {buffer.data(),     bytes,           buffer.view().space(), buffer.strides(),
          memory_of(buffer), owner_of(buffer)};
}

Selection Selection::at(std::span<const Indices> coordinates, IndexMode mode) {
  Selection selection{{}, mode};
  if (coordinates.empty()) return selection;
  IndexGroup& group = selection.groups.emplace_back();
  for (std::size_t i = 0; i < coordinates.size(); ++i) {
    group.axes.push_back(static_cast<int>(i));
    group.indices.push_back(coordinates[i]);
  }
  return selection;
}

DeviceBuffer take(const DeviceArray& array, int axis, const Indices& indices, IndexMode mode,
                  const GatherOptions& options) {
  return gather(array, {.groups = {{{axis}, {indices}, {}}}, .mode = mode}, options);
}

DeviceBuffer take(const DeviceArray& array, int axis, const Indices& indices,
                  const GatherOptions& options) {
  return take(array, axis, indices, IndexMode::raise, options);
}

DeviceBuffer copy(const DeviceArray& array, const GatherOptions& options) {
  return gather(array, {}, options);
}

}  // namespace multibuffer
