#include <multibuffer/error.hpp>
#include <multibuffer/ragged_reference.hpp>

#include "host/support/checked.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace multibuffer::reference {
namespace {

/// Python's rules for an index, and those of `numpy.take` with a mode, in plain words.
std::size_t row_named_by(std::int64_t index, std::int64_t rows, IndexMode mode) {
  if (rows == 0) throw Failure(Errc::index_out_of_range, text("index ", index, " of no rows"));
  switch (mode) {
    case IndexMode::clip:
      return static_cast<std::size_t>(std::clamp<std::int64_t>(index, 0, rows - 1));
    case IndexMode::wrap:
      return static_cast<std::size_t>((index % rows + rows) % rows);
    case IndexMode::raise:
      break;
  }
  if (index < -rows || index >= rows)
    throw Failure(Errc::index_out_of_range, text("index ", index, " of ", rows, " rows"));
  return static_cast<std::size_t>(index < 0 ? index + rows : index);
}

std::vector<std::size_t> named_rows(const RaggedView& view, const Rows& rows) {
  if (view.space() == MemorySpace::device)
    throw Failure(Errc::invalid_argument, "the reference reads rows in host memory alone");
  std::vector<std::size_t> named;
  if (rows.indices) {
    for (const std::int64_t index : *rows.indices)
      named.push_back(row_named_by(index, view.rows(), rows.mode));
  } else {
    for (std::size_t row = 0; row < view.starts().size(); ++row) named.push_back(row);
  }
  return named;
}

/// A result of one axis or two before those of an item. Throws `size_overflow`.
Result result_of(const RaggedView& view, std::vector<std::int64_t> shape, std::int64_t item_bytes) {
  std::int64_t bytes = item_bytes;
  for (const std::int64_t extent : shape)
    bytes = checked_multiply(bytes, extent, "the size of the result");
  shape.insert(shape.end(), view.item_shape().begin(), view.item_shape().end());
  return {std::move(shape), std::vector<std::byte>(static_cast<std::size_t>(bytes))};
}

/// Bytes of an item whose elements are of another format. Throws `size_overflow`.
std::int64_t item_bytes_as(const RaggedView& view, const Format& format) {
  return checked_multiply(view.item_bytes() / view.format().itemsize(), format.itemsize(),
                          "the size of an item of the result");
}

void copy_items(std::byte* to, const std::byte* row, std::int64_t first, std::int64_t count,
                std::int64_t item_bytes) {
  if (count * item_bytes == 0) return;
  std::memcpy(to, row + first * item_bytes, static_cast<std::size_t>(count * item_bytes));
}

}  // namespace

Packed pack(const RaggedView& view, const Rows& rows, const std::optional<Format>& format,
            const Options& options) {
  const std::vector<std::size_t> named = named_rows(view, rows);
  Packed packed;
  packed.offsets.push_back(0);
  for (const std::size_t row : named)
    packed.offsets.push_back(
        checked_add(packed.offsets.back(), view.lengths()[row], "the number of items"));
  const std::int64_t items = packed.offsets.back();
  if (format) checked_multiply(item_bytes_as(view, *format), items, "the size of the result");
  packed.values = result_of(view, {items}, view.item_bytes());
  for (std::size_t i = 0; i < named.size(); ++i)
    copy_items(packed.values.bytes.data() + packed.offsets[i] * view.item_bytes(),
               view.starts()[named[i]], 0, view.lengths()[named[i]], view.item_bytes());
  if (format) packed.values = converted(std::move(packed.values), view.format(), *format, options);
  return packed;
}

Result pad(const RaggedView& view, const Padding& padding, const Rows& rows,
           const std::optional<Format>& format, const Options& options) {
  const std::vector<std::size_t> named = named_rows(view, rows);
  const auto count = static_cast<std::int64_t>(named.size());
  const std::int64_t length = padding.length;
  if (length < 0)
    throw Failure(Errc::invalid_argument, text("rows padded to ", length, " items; 0 or more"));
  checked_multiply(count, length, "the number of items");
  // Everything is padding of the result's format first, then each row is converted by itself.
  const Format& to = format ? *format : view.format();
  const std::int64_t item_bytes = item_bytes_as(view, to);
  Result result = result_of(view, {count, length}, item_bytes);
  const auto element = static_cast<std::size_t>(to.itemsize());
  if (padding.fill)
    for (std::size_t at = 0; at < result.bytes.size(); at += element)
      std::memcpy(result.bytes.data() + at, padding.fill, element);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::size_t row = named[static_cast<std::size_t>(i)];
    const std::int64_t items = view.lengths()[row];
    const std::int64_t kept = std::min(items, length);
    Result part = result_of(view, {kept}, view.item_bytes());
    copy_items(part.bytes.data(), view.starts()[row], padding.keeps_end ? items - kept : 0, kept,
               view.item_bytes());
    if (format) part = converted(std::move(part), view.format(), *format, options);
    const std::int64_t place = i * length + (padding.before ? length - kept : 0);
    copy_items(result.bytes.data() + place * item_bytes, part.bytes.data(), 0, kept, item_bytes);
  }
  return result;
}

}  // namespace multibuffer::reference
