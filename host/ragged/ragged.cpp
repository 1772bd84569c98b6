#include <multibuffer/ragged.hpp>

#include "host/backend/backend.hpp"
#include "host/gather/result_axes.hpp"
#include "host/ragged/ready_ragged.hpp"
#include "host/upload/internals.hpp"

#include <utility>

namespace multibuffer {
namespace {

void run(ReadyRagged& ready, const Device& device, StreamRef stream, const Watch& watch) {
  // Offsets are written even where there are no items.
  if (ready.plan.items == 0 && !ready.plan.indices) return;
  ready.values.pending =
      backend_of(device).copy_ragged(ready.plan, ready.check_on_device, ready.uses, stream, watch);
  if (ready.offsets && ready.plan.indices) ready.offsets->pending = ready.values.pending;
}

/// Returns the values, in host memory if that is where the output is.
DeviceBuffer finish(ReadyRagged& ready, const std::optional<Output>& out) {
  DeviceBuffer values = make_buffer(std::move(ready.values));
  if (!ready.staged) return values;
  copy_out(values, *out, values.strides());
  return make_buffer({.device = Device::host(),
                      .format = values.format(),
                      .shape = values.shape(),
                      .strides = values.strides(),
                      .data = static_cast<std::byte*>(out->data),
                      .memory = out->memory,
                      .stream = {},
                      .pending = nullptr,
                      .owner = out->owner});
}

}  // namespace

PackedRows pack(const RaggedArray& array, const RowSelection& rows, const PackOptions& options) {
  ReadyRagged ready = ready_pack(array, rows, options, false);
  run(ready, array.device(), options.stream, options.watch);
  DeviceBuffer offsets = make_buffer(std::move(*ready.offsets));
  return {finish(ready, options.out), std::move(offsets)};
}

DeviceBuffer pad(const RaggedArray& array, const RowSelection& rows, const PadOptions& options) {
  ReadyRagged ready = ready_pad(array, rows, options);
  run(ready, array.device(), options.stream, options.watch);
  return finish(ready, options.out);
}

}  // namespace multibuffer
