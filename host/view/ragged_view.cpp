#include <multibuffer/error.hpp>
#include <multibuffer/ragged_view.hpp>

#include "host/support/checked.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace multibuffer {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw Failure(Errc::invalid_view, why); }

std::int64_t bytes_of_item(const Format& format, const std::vector<std::int64_t>& item_shape) {
  // A layout has an axis of rows and one of items besides.
  constexpr std::size_t most_axes = static_cast<std::size_t>(max_axes) - 2;
  if (item_shape.size() > most_axes)
    refuse(text("items of ", item_shape.size(), " axes; there can be ", most_axes, " at most"));
  std::int64_t bytes = format.itemsize();
  for (const std::int64_t extent : item_shape) {
    if (extent < 0) refuse(text("items have the negative extent ", extent));
    bytes = checked_multiply(bytes, extent, "the size of an item");
  }
  return bytes;
}

/// The values that offsets count in: an array of items.
struct Values {
  const std::byte* base = nullptr;
  std::int64_t items = 0;
  std::vector<std::int64_t> item_shape;
  std::int64_t item_bytes = 0;

  explicit Values(const ArrayView& values) {
    if (values.layout().levels() > 0)
      refuse("offsets count items of one array, and these values are behind pointers");
    if (values.ndim() == 0) refuse("the values need an axis of items for the offsets to count");
    item_shape = values.shape();
    items = item_shape.front();
    item_shape.erase(item_shape.begin());
    item_bytes = bytes_of_item(values.format(), item_shape);
    require_dense(values);
    base = values.base();
    if (base) base += values.layout().origins()[0];
  }

  const std::byte* at(std::int64_t item) const {
    return item_bytes == 0 || !base ? base : base + item * item_bytes;
  }

 private:
  static void require_dense(const ArrayView& values) {
    if (values.layout().empty()) return;
    std::int64_t stride = values.itemsize();
    for (std::size_t i = values.layout().axes().size(); i-- > 0;) {
      const Axis& axis = values.layout().axes()[i];
      if (axis.extent != 1 && axis.stride != stride)
        refuse(text("the values are not dense in C order: axis ", i, " has the stride ",
                    axis.stride, ", and would need ", stride));
      stride *= axis.extent;
    }
  }
};

}  // namespace

RaggedView::RaggedView(Rows rows, Format format, std::vector<std::int64_t> item_shape,
                       MemorySpace space)
    : format_(std::move(format)),
      item_shape_(std::move(item_shape)),
      item_bytes_(bytes_of_item(format_, item_shape_)),
      space_(space) {
  for (std::size_t i = 0; i < rows.lengths.size(); ++i) {
    const std::int64_t length = rows.lengths[i];
    if (length < 0) refuse(text("row ", i, " has the negative length ", length));
    std::int64_t bytes = 0;
    if (__builtin_mul_overflow(length, item_bytes_, &bytes))
      throw Failure(Errc::size_overflow, text("row ", i, " has ", length, " items of ", item_bytes_,
                                              " bytes, which do not fit in 64 bits"));
    if (!rows.starts[i] && bytes > 0)
      throw Failure(Errc::null_pointer,
                    text("row ", i, " has ", length, " items, and its start is NULL"));
    rows.items = checked_add(rows.items, length, "the number of items");
    rows.longest = std::max(rows.longest, length);
  }
  rows_ = std::make_shared<const Rows>(std::move(rows));
}

RaggedView::RaggedView(std::span<const std::byte* const> starts,
                       std::span<const std::int64_t> lengths, Format format,
                       std::vector<std::int64_t> item_shape, MemorySpace space)
    : RaggedView(
          [&] {
            if (starts.size() != lengths.size())
              refuse(text(starts.size(), " starts and ", lengths.size(),
                          " lengths; each row has one of both"));
            return Rows{{starts.begin(), starts.end()}, {lengths.begin(), lengths.end()}, 0, 0};
          }(),
          std::move(format), std::move(item_shape), space) {}

template <class Offset>
RaggedView RaggedView::between(const ArrayView& array, std::span<const Offset> offsets) {
  const Values values(array);
  Rows rows;
  const std::size_t count = offsets.empty() ? 0 : offsets.size() - 1;
  rows.starts.resize(count);
  rows.lengths.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t first = offsets[i], last = offsets[i + 1];
    if (first < 0 || last < first || last > values.items)
      refuse(text("row ", i, " has the offsets ", first, " and ", last, " of ", values.items,
                  " items; offsets ascend"));
    rows.starts[i] = values.at(first);
    rows.lengths[i] = last - first;
  }
  return RaggedView(std::move(rows), array.format(), values.item_shape, array.space());
}

RaggedView RaggedView::from_offsets(const ArrayView& values,
                                    std::span<const std::int64_t> offsets) {
  return between(values, offsets);
}
RaggedView RaggedView::from_offsets(const ArrayView& values,
                                    std::span<const std::int32_t> offsets) {
  return between(values, offsets);
}

RaggedView RaggedView::from_offsets(const ArrayView& array, std::span<const std::int64_t> offsets,
                                    std::span<const std::int64_t> lengths) {
  if (offsets.size() != lengths.size())
    refuse(text(offsets.size(), " offsets and ", lengths.size(),
                " lengths; each row has one of both"));
  const Values values(array);
  Rows rows;
  rows.lengths.assign(lengths.begin(), lengths.end());
  rows.starts.resize(offsets.size());
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    // An empty row may be anywhere, as in Arrow.
    if (lengths[i] == 0) continue;
    if (offsets[i] < 0 || offsets[i] > values.items || lengths[i] > values.items - offsets[i])
      refuse(text("row ", i, " has ", lengths[i], " items from item ", offsets[i], " on, of ",
                  values.items));
    rows.starts[i] = values.at(offsets[i]);
  }
  return RaggedView(std::move(rows), array.format(), values.item_shape, array.space());
}

}  // namespace multibuffer
