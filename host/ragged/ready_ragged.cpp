#include "host/ragged/ready_ragged.hpp"

#include <multibuffer/error.hpp>

#include "host/gather/conversion.hpp"
#include "host/gather/result_axes.hpp"
#include "host/ragged/apart.hpp"
#include "host/ragged/ragged_storage.hpp"
#include "host/ragged/selected_rows.hpp"
#include "host/support/checked.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

// A request becomes a plan in these steps:
//
//     RowSelection ──► SelectedRows ──► the dense side (offsets, or the padded length)
//                  ──► memory for the result ──► RaggedPlan

namespace multibuffer {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw Failure(Errc::invalid_argument, why); }

/// Describes items in as few runs as there are: inner axes that continue each other are one.
void set_items(RaggedPlan& plan, const RaggedArray& array) {
  const Layout& items = items_of(array);
  const auto axes = items.axes();
  plan.run_bytes = array.itemsize();
  std::size_t count = axes.size();
  for (; count > 1; --count) {
    const Axis& axis = axes[count - 1];
    if (axis.extent != 1 && axis.stride != plan.run_bytes) break;
    plan.run_bytes *= axis.extent;
  }
  for (std::size_t i = 1; i < count; ++i)
    if (axes[i].extent != 1) plan.ragged.axes.push_back({axes[i].extent, axes[i].stride});
  plan.ragged.item_stride = axes[0].stride;
  plan.ragged.origin = items.origins()[0];
}

/// Makes the plan's ragged side, and says which rows it reads.
RaggedPlan plan_of(const RaggedArray& array, const SelectedRows& selected, IndexMode mode,
                   const std::optional<Format>& format, Overflow overflow) {
  const RaggedStorage& storage = storage_of(array);
  RaggedPlan plan;
  plan.ragged.base = storage.storage->base;
  plan.ragged.unit = storage.storage->unit;
  plan.ragged.starts = storage.starts;
  plan.ragged.lengths = storage.lengths;
  set_items(plan, array);
  plan.rows = {selected.count, nullptr, selected.first, selected.step};
  plan.indices = selected.indices;
  plan.mode = mode;
  if (format) plan.conversion = conversion_of(array.format(), *format, overflow);
  return plan;
}

std::uintptr_t number_of(const void* address) { return reinterpret_cast<std::uintptr_t>(address); }

/// The result's memory: the output's, or new one.
struct ResultMemory {
  const RaggedArray& array;
  const RowSelection& rows;
  const std::optional<Output>& out;
  StreamRef stream;

  /// Gives the plan its dense side. Throws for an output that the result does not fit, or that is
  /// read from. Returns whether the result is staged: host memory takes a CUDA result when whole.
  bool take(RaggedPlan& plan, BufferParts& values) const {
    const std::int64_t itemsize = values.format.itemsize();
    values.strides = dense_strides(values.shape, itemsize, Order::C);
    const bool is_empty = std::ranges::find(values.shape, 0) != values.shape.end();
    const std::int64_t bytes =
        is_empty ? 0
                 : checked_multiply(values.shape[0], values.strides[0], "the size of the result");
    bool staged = false;
    if (out) {
      check(values, itemsize, is_empty ? 0 : bytes);
      const bool on_host = array.device().kind() == DeviceKind::host;
      if (on_host && out->space == MemorySpace::device)
        refuse("rows on the host cannot be copied into device memory");
      staged = !on_host && out->space == MemorySpace::host;
    }
    if (out && !staged) {
      values.data = static_cast<std::byte*>(out->data);
      values.memory = out->memory;
      values.owner = out->owner;
    } else {
      values.memory = backend_of(array.device()).allocate(bytes, stream);
      values.data = values.memory->data();
    }
    plan.dense.base = values.data;
    return staged;
  }

 private:
  void check(const BufferParts& values, std::int64_t itemsize, std::int64_t bytes) const {
    for (std::size_t i = 0; i < out->strides.size() && i < values.shape.size(); ++i)
      if (bytes > 0 && values.shape[i] > 1 && out->strides[i] != values.strides[i])
        refuse(text("the output has the strides ", tuple_text(out->strides),
                    "; rows are written dense in C order, to ", tuple_text(values.strides)));
    check_output(*out, values.shape, out->strides.empty() ? values.strides : out->strides,
                 itemsize);
    const std::uintptr_t begin = number_of(out->data);
    const AddressRange range{begin, begin + static_cast<std::uintptr_t>(bytes)};
    check_apart(array, range);
    if (!rows.indices || rows.indices->space() != MemorySpace::device) return;
    const std::uintptr_t first = number_of(rows.indices->data());
    const std::int64_t index_bytes = rows.indices->shape()[0] * rows.indices->bytes_each();
    if (range.meets({first, first + static_cast<std::uintptr_t>(index_bytes)}))
      refuse(
          "the output overlaps an index array on the device: some indices would be read after "
          "they have been written over");
  }
};

std::vector<std::int64_t> with_items(std::vector<std::int64_t> shape, const RaggedArray& array) {
  const std::vector<std::int64_t> item = array.item_shape();
  shape.insert(shape.end(), item.begin(), item.end());
  return shape;
}

/// What is known before the shape of the result is.
template <class Options>
ReadyRagged begin(const RaggedArray& array, const SelectedRows& selected, IndexMode mode,
                  const Options& options) {
  return {.plan = plan_of(array, selected, mode, options.format, options.overflow),
          .check_on_device = selected.indices.has_value(),
          .uses = {},
          .values = {.device = array.device(),
                     .format = options.format ? *options.format : array.format(),
                     .shape = {},
                     .strides = {},
                     .data = nullptr,
                     .memory = nullptr,
                     .stream = options.stream,
                     .pending = nullptr},
          .offsets = {}};
}

/// Puts the entries of selected rows where the backend reads them.
std::shared_ptr<Memory> upload_entries(RaggedPlan& plan, const SelectedRows& selected,
                                       const Device& device, StreamRef stream) {
  if (selected.entries.empty()) return nullptr;
  const auto bytes =
      static_cast<std::int64_t>(selected.entries.size() * sizeof(selected.entries[0]));
  std::shared_ptr<Memory> memory = backend_of(device).allocate(bytes, stream);
  backend_of(device).write(*memory, 0, selected.entries.data(), bytes, stream);
  plan.rows.entries = reinterpret_cast<const std::int64_t*>(memory->data());
  return memory;
}

/// Names the blocks that a plan reads and writes.
std::vector<UsedMemory> uses_of(const RaggedArray& array, const RowSelection& rows,
                                const SelectedRows& selected, const ReadyRagged& ready,
                                std::shared_ptr<Memory> entries) {
  std::vector<UsedMemory> uses = blocks_of(storage_of(array));
  if (selected.indices)
    if (const auto& memory = memory_of(*rows.indices->buffer())) uses.push_back({memory});
  if (entries) uses.push_back({std::move(entries)});
  if (ready.values.memory) uses.push_back({ready.values.memory});
  if (ready.offsets) uses.push_back({ready.offsets->memory});
  for (UsedMemory& used : uses) {
    used.writes = used.memory->contains(ready.plan.dense.base);
    if (ready.offsets && ready.plan.indices)
      used.writes = used.writes || used.memory->contains(ready.offsets->data);
  }
  return uses;
}

// ---- Packs

/// Writes where each row begins, and where the last one ends. Throws `size_overflow` if that does
/// not fit.
template <class Offset>
void write_offsets(const RaggedStorage& storage, const SelectedRows& selected, Offset* offsets) {
  std::int64_t end = 0;
  offsets[0] = 0;
  for (std::int64_t row = 0; row < selected.count; ++row) {
    end = checked_add(end, entry_of(storage.host_lengths, selected.entry(row)),
                      "the number of items");
    offsets[row + 1] = static_cast<Offset>(end);
  }
  if (end > std::numeric_limits<Offset>::max())
    throw Failure(Errc::size_overflow,
                  text("the selected rows have ", end, " items, which offsets of ",
                       sizeof(Offset) * 8, " bits cannot count; ask for 64"));
}

/// Makes the offsets of known rows, and returns the last one: the number of items.
std::int64_t make_offsets(const RaggedArray& array, const SelectedRows& selected, bool wide,
                          BufferParts& offsets, StreamRef stream) {
  const RaggedStorage& storage = storage_of(array);
  Backend& backend = backend_of(array.device());
  const std::int64_t bytes = offsets.memory->bytes();
  LargeVector<std::int64_t> scratch;
  std::byte* at = offsets.data;
  if (backend.kind() != DeviceKind::host) {
    scratch.resize(static_cast<std::size_t>(selected.count) + 1);
    at = reinterpret_cast<std::byte*>(scratch.data());
  }
  if (wide)
    write_offsets(storage, selected, reinterpret_cast<std::int64_t*>(at));
  else
    write_offsets(storage, selected, reinterpret_cast<std::int32_t*>(at));
  const auto items = wide ? reinterpret_cast<const std::int64_t*>(at)[selected.count]
                          : reinterpret_cast<const std::int32_t*>(at)[selected.count];
  if (at != offsets.data) backend.write(*offsets.memory, 0, at, bytes, stream);
  return items;
}

BufferParts offsets_buffer(const RaggedArray& array, std::int64_t rows, bool wide,
                           StreamRef stream) {
  const std::int64_t bytes_each = wide ? 8 : 4;
  BufferParts offsets{
      .device = array.device(),
      .format = wide ? native_format<std::int64_t>() : native_format<std::int32_t>(),
      .shape = {rows + 1},
      .strides = {bytes_each},
      .data = nullptr,
      .memory = nullptr,
      .stream = stream,
      .pending = nullptr};
  offsets.memory = backend_of(array.device()).allocate((rows + 1) * bytes_each, stream);
  offsets.data = offsets.memory->data();
  return offsets;
}

void check(const PackOptions& options, const RowSelection& rows, bool for_plan) {
  if (options.offset_bytes != 4 && options.offset_bytes != 8)
    refuse(text("offsets of ", options.offset_bytes, " bytes; they take 4 or 8"));
  if (options.items && *options.items < 0) refuse(text("room for ", *options.items, " items"));
  const bool on_device = rows.indices && rows.indices->space() == MemorySpace::device;
  if (for_plan && on_device && !options.items)
    refuse(
        "a plan that reads row indices on the device needs `items`, the items that it has room "
        "for");
}

/// Counts the items of a pack: those of the rows or, where these are not known, those there is room
/// for. Throws if 32 bits cannot, or there is no room.
std::int64_t items_of_pack(const RaggedArray& array, const SelectedRows& selected, bool wide,
                           BufferParts& offsets, const PackOptions& options) {
  if (!selected.indices) {
    const std::int64_t items = make_offsets(array, selected, wide, offsets, options.stream);
    if (options.items && items > *options.items)
      refuse(
          text("the selected rows have ", items, " items, and there is room for ", *options.items));
    return items;
  }
  if (!wide && *options.items > std::numeric_limits<std::int32_t>::max())
    throw Failure(Errc::size_overflow, text("room for ", *options.items,
                                            " items, which offsets of 32 bits cannot count"));
  return *options.items;
}

// ---- Pads

/// Names the row of the array that is selected at `position`.
std::string name_of(std::int64_t position, const SelectedRows& selected, const RowEntries& view) {
  if (selected.entries.empty()) return text("row ", position);
  const std::int64_t row = (selected.entry(position) - view.first) / view.step;
  return text("row ", row, " at position ", position);
}

/// The longest of the rows that may be selected; refuses those that do not fit.
std::int64_t padded_length(const RaggedArray& array, const SelectedRows& selected,
                           const PadOptions& options) {
  const RaggedStorage& storage = storage_of(array);
  const bool is_known = !selected.indices;
  const RowEntries view = entries_of(array);
  const std::int64_t count = is_known ? selected.count : view.count;
  const auto length_of = [&](std::int64_t row) {
    return entry_of(storage.host_lengths,
                    is_known ? selected.entry(row) : view.first + row * view.step);
  };
  if (options.length && *options.length < 0)
    refuse(text("rows padded to ", *options.length, " items"));
  if (options.length && options.truncation != Truncation::refuse) return *options.length;
  std::int64_t longest = 0;
  for (std::int64_t row = 0; row < count; ++row) {
    longest = std::max(longest, length_of(row));
    if (options.length && longest > *options.length)
      refuse(text(is_known ? name_of(row, selected, view) : text("row ", row), " has ", longest,
                  " items, and the padded length is ", *options.length,
                  "; truncate rows, or give a length of ", longest, " or more"));
  }
  return options.length.value_or(longest);
}

void set_fill(PaddedSide& padded, const void* fill, std::int64_t itemsize) {
  padded.fill.resize(static_cast<std::size_t>(itemsize), std::byte{0});
  if (fill) std::memcpy(padded.fill.data(), fill, static_cast<std::size_t>(itemsize));
}

}  // namespace

ReadyRagged ready_pack(const RaggedArray& array, const RowSelection& rows,
                       const PackOptions& options, bool for_plan) {
  check(options, rows, for_plan);
  const bool wide = options.offset_bytes == 8;
  const SelectedRows selected = selected_rows(array, rows, !options.items);
  ReadyRagged ready = begin(array, selected, rows.mode, options);
  ready.offsets = offsets_buffer(array, selected.count, wide, options.stream);
  ready.plan.items = items_of_pack(array, selected, wide, *ready.offsets, options);
  ready.plan.packed = PackedSide{ready.offsets->data, wide};
  std::optional<BufferParts> own_offsets;
  if (for_plan && !selected.indices) {
    // No run would put right what users write over the result's offsets, so these are read-only.
    // Consumers that cannot be told may write all the same: runs read offsets of their own.
    ready.offsets->readonly = true;
    own_offsets = offsets_buffer(array, selected.count, wide, options.stream);
    make_offsets(array, selected, wide, *own_offsets, options.stream);
    ready.plan.packed->offsets = own_offsets->data;
  }
  ready.values.shape = with_items({ready.plan.items}, array);
  ready.staged =
      ResultMemory{array, rows, options.out, options.stream}.take(ready.plan, ready.values);
  ready.uses = uses_of(array, rows, selected, ready,
                       upload_entries(ready.plan, selected, array.device(), options.stream));
  if (own_offsets) ready.uses.push_back({own_offsets->memory});
  return ready;
}

ReadyRagged ready_pad(const RaggedArray& array, const RowSelection& rows,
                      const PadOptions& options) {
  const SelectedRows selected = selected_rows(array, rows, false);
  ReadyRagged ready = begin(array, selected, rows.mode, options);
  PaddedSide& padded = ready.plan.padded;
  padded.length = padded_length(array, selected, options);
  padded.before = options.side == PadSide::before;
  padded.keeps_end = options.truncation == Truncation::drop_begin;
  ready.plan.items = checked_multiply(selected.count, padded.length, "the number of items");
  ready.values.shape = with_items({selected.count, padded.length}, array);
  set_fill(padded, options.fill, ready.values.format.itemsize());
  ready.staged =
      ResultMemory{array, rows, options.out, options.stream}.take(ready.plan, ready.values);
  ready.uses = uses_of(array, rows, selected, ready,
                       upload_entries(ready.plan, selected, array.device(), options.stream));
  return ready;
}

}  // namespace multibuffer
