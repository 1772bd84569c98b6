#include <multibuffer/error.hpp>
#include <multibuffer/ragged_array.hpp>

#include "host/backend/backend.hpp"
#include "host/ragged/check_rows.hpp"
#include "host/ragged/place_rows.hpp"
#include "host/ragged/ragged_storage.hpp"
#include "host/support/checked.hpp"
#include "host/support/text.hpp"
#include "host/upload/internals.hpp"
#include "host/upload/storage.hpp"

#include <algorithm>
#include <utility>

namespace multibuffer {

RaggedArray::RaggedArray(std::shared_ptr<const RaggedStorage> storage, Format format, Layout rows,
                         Layout items)
    : storage_(std::move(storage)),
      format_(std::move(format)),
      rows_(std::move(rows)),
      items_(std::move(items)) {}

std::int64_t RaggedArray::rows() const noexcept { return rows_.axes()[0].extent; }

std::int64_t RaggedArray::entry(std::int64_t row) const {
  return rows_.origins()[0] + row * rows_.axes()[0].stride;
}

std::int64_t RaggedArray::length(std::int64_t row) const {
  if (row < 0 || row >= rows())
    throw Failure(Errc::index_out_of_range, text("row ", row, " of ", rows()));
  return entry_of(storage_->host_lengths, entry(row));
}

std::vector<std::int64_t> RaggedArray::lengths() const {
  std::vector<std::int64_t> lengths(static_cast<std::size_t>(rows()));
  for (std::size_t row = 0; row < lengths.size(); ++row)
    lengths[row] = entry_of(storage_->host_lengths, entry(static_cast<std::int64_t>(row)));
  return lengths;
}

std::int64_t RaggedArray::items() const {
  std::int64_t items = 0;
  for (std::int64_t row = 0; row < rows(); ++row)
    items = checked_add(items, entry_of(storage_->host_lengths, entry(row)), "the number of items");
  return items;
}

std::int64_t RaggedArray::longest() const {
  std::int64_t longest = 0;
  for (std::int64_t row = 0; row < rows(); ++row)
    longest = std::max(longest, entry_of(storage_->host_lengths, entry(row)));
  return longest;
}

std::vector<std::int64_t> RaggedArray::item_shape() const {
  std::vector<std::int64_t> shape = items_.shape();
  shape.erase(shape.begin());
  return shape;
}

const Device& RaggedArray::device() const noexcept { return storage_->storage->device; }
PlacementKind RaggedArray::placement() const noexcept { return storage_->storage->placement; }
std::int64_t RaggedArray::storage_bytes() const noexcept {
  return storage_->storage->memory->bytes() + (storage_->tables ? storage_->tables->bytes() : 0);
}

DeviceArray RaggedArray::row(std::int64_t row) const {
  if (row < -rows() || row >= rows())
    throw Failure(Errc::index_out_of_range, text("row ", row, " of ", rows()));
  const Storage& all = *storage_->storage;
  const std::int64_t at = entry(row < 0 ? row + rows() : row);
  std::vector<Axis> axes(items_.axes().begin(), items_.axes().end());
  axes[0].extent = entry_of(storage_->host_lengths, at);
  const std::int64_t start = entry_of(storage_->host_starts, at) * all.unit;
  Layout layout(std::move(axes), {items_.origins()[0] + start});
  // A storage of its own, which keeps the whole of it: in place, what an output may overlap is told
  // by the layout of a storage.
  return make_array(std::shared_ptr<const Storage>(
                        new Storage{.device = all.device,
                                    .format = format_,
                                    .placement = all.placement,
                                    .simplify = all.simplify,
                                    .layout = layout,
                                    .memory = std::shared_ptr<Memory>(storage_, all.memory.get()),
                                    .base = all.base,
                                    .unit = 1,
                                    .arena_bytes = all.arena_bytes,
                                    .tables = {},
                                    .table_entries = {},
                                    .owner = nullptr,
                                    .lent = all.lent,
                                    .known = nullptr,
                                    .arenas = {},
                                    .is_ragged_row = true}),
                    layout);
}

RaggedArray RaggedArray::slice(const Slice& rows) const {
  return RaggedArray(storage_, format_, rows_.slice(0, rows), items_);
}

RaggedArray RaggedArray::reinterpret(std::int64_t offset, Format format,
                                     std::span<const Axis> axes) const {
  // The layout of the items has no axis of the rows, which padded rows have.
  const std::size_t ndim = 1 + items_.axes().size() + axes.size();
  if (ndim > static_cast<std::size_t>(max_axes))
    throw Failure(Errc::invalid_argument,
                  text(ndim, " axes; a ragged array has at most ", max_axes,
                       ", that of the rows and that of a row's items among them"));
  Layout items = items_.inside_elements(itemsize(), offset, format.itemsize(), axes);
  return RaggedArray(storage_, std::move(format), rows_, std::move(items));
}

RaggedArray RaggedArray::field(std::string_view name) const {
  const Field& found = field_of(format_, name);
  return reinterpret(found.offset, format_of(found.type), field_axes(found));
}

RaggedArray upload(const RaggedView& view, const Device& device, const UploadOptions& options) {
  if (options.keep_sources)
    throw Failure(Errc::invalid_argument,
                  "sources are kept of arrays whose rows are of one length");
  if (options.checked) check_rows(view);
  Placement placement = place_rows(view, options.placement, options.simplify);
  if (placement.kind == PlacementKind::in_place) backend_of(device).check_in_place(placement);
  const std::shared_ptr<Storage> storage = make_storage(placement, device, options);

  auto ragged = std::make_shared<RaggedStorage>();
  ragged->starts = storage->tables[0];
  ragged->lengths = storage->tables[1];
  ragged->host_starts = std::move(placement.tables[0]);
  ragged->host_lengths = std::move(placement.tables[1]);
  storage->tables.clear();
  ragged->storage = storage;

  std::vector<Axis> items;
  for (Axis axis : placement.layout.axes().subspan(1))
    items.push_back({axis.extent, axis.stride, 0});
  return detail::RaggedInternals::array(std::move(ragged), view.format(),
                                        Layout({{view.rows(), 1, 0}}, {0}),
                                        Layout(std::move(items), {placement.layout.origins()[1]}));
}

}  // namespace multibuffer
