#include "host/cli/take.hpp"

#include <multibuffer/error.hpp>
#include <multibuffer/gather.hpp>

#include "host/cli/file_kind.hpp"
#include "host/cli/index_expression.hpp"
#include "host/files/npy.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <utility>

namespace multibuffer::cli {
namespace {

bool holds_integers(const files::NpyFile& file) {
  const char kind = file.type().descr.size() > 2 ? file.type().descr[2] : '\0';
  return file.type().descr.front() == '\'' && (kind == 'i' || kind == 'u');
}

std::uint64_t load(const std::byte* element, const Type& type) {
  std::uint64_t bits = 0;
  const auto size = static_cast<std::size_t>(type.size);
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t significance = type.little_endian ? i : size - 1 - i;
    bits |= std::to_integer<std::uint64_t>(element[i]) << (8 * significance);
  }
  if (type.kind != ScalarKind::signed_integer) return bits;
  const std::size_t unused = 64 - 8 * size;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(bits << unused) >> unused);
}

Take take_file(const std::string& path, int axis) {
  const files::NpyFile file(path);
  if (!holds_integers(file)) {
    throw Failure(Errc::invalid_argument,
                  text("--take ", path, ": indices are integers, and this file holds ",
                       files::shortened(file.type().descr)));
  }
  UploadOptions in_place;
  in_place.placement = PlacementKind::in_place;
  const DeviceArray mapped = upload(file.view(), Device::host(), in_place);
  const std::vector<std::byte> bytes =
      copy(mapped).to_host();  // in C order, whatever the order in the file
  file.file().check_unchanged();
  const Type& type = mapped.format().type();
  Take take{.axis = axis, .indices = {}, .shape = file.shape()};
  const auto itemsize = static_cast<std::size_t>(type.size);
  for (std::size_t offset = 0; offset < bytes.size(); offset += itemsize) {
    const std::uint64_t bits = load(bytes.data() + offset, type);
    if (type.kind == ScalarKind::unsigned_integer &&
        bits > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      throw Failure(Errc::index_out_of_range, text("--take ", path, ": the index ", bits,
                                                   " at position ", offset / itemsize));
    }
    take.indices.push_back(static_cast<std::int64_t>(bits));
  }
  return take;
}

void check(const Take& take, std::int64_t extent) {
  for (std::size_t i = 0; i < take.indices.size(); ++i) {
    const std::int64_t index = take.indices[i];
    if (index >= -extent && index < extent) continue;
    throw Failure(Errc::index_out_of_range,
                  text("--take: the index ", index, " at position ", i, " is outside of axis ",
                       take.axis, ", whose extent is ", extent));
  }
}

// Views the entries `distinct` of an axis before the first pointer through a pointer to each.
Stack table_of(const ArrayView& view, int axis, std::span<const std::int64_t> distinct) {
  std::vector<ArrayView> entries;
  entries.reserve(distinct.size());
  for (const std::int64_t index : distinct) entries.push_back(view.index(axis, index));
  return stack(entries);
}

ArrayView move_first_axis(const ArrayView& view, int axis) {
  std::vector<int> axes;
  for (int i = 1; i < view.ndim(); ++i) axes.push_back(i);
  axes.insert(axes.begin() + axis, 0);
  return view.permute(axes);
}

}  // namespace

Take read_take(const std::string& source, int axis, std::span<const std::int64_t> shape) {
  const int from_front = normalize_axis(axis, static_cast<int>(shape.size()));
  const std::int64_t extent = shape[static_cast<std::size_t>(from_front)];
  Take take;
  if (kind_of_name(source) == FileKind::npy) {
    take = take_file(source, from_front);
  } else {
    take = {.axis = from_front, .indices = parse_index_list(source, extent), .shape = {}};
    take.shape = {static_cast<std::int64_t>(take.indices.size())};
  }
  check(take, extent);
  return take;
}

std::vector<std::int64_t> shape_after(const Take& take, std::span<const std::int64_t> shape) {
  std::vector<std::int64_t> result(shape.begin(), shape.end());
  const auto at = result.erase(result.begin() + take.axis);
  result.insert(at, take.shape.begin(), take.shape.end());
  return result;
}

// Narrows in one of two ways. Few entries of an axis before any pointer are reached through a table
// of pointers, so that nothing between them travels. Otherwise the axis is cut to the range that
// the indices span: after a pointer, a table would need an entry for each index and each pointer
// before it, and may be larger than what it saves.
Narrowed narrow(const ArrayView& view, const Take& take) {
  const std::int64_t extent = view.shape()[static_cast<std::size_t>(take.axis)];
  std::vector<std::int64_t> from_front = take.indices;
  for (std::int64_t& index : from_front) index += index < 0 ? extent : 0;
  std::vector<std::int64_t> distinct = from_front;
  std::ranges::sort(distinct);
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());

  constexpr std::size_t most_entries = std::size_t{1}
                                       << 20;  // a few hundred bytes each, for a while
  const std::int64_t first = distinct.empty() ? 0 : distinct.front();
  const std::int64_t span = distinct.empty() ? 0 : distinct.back() - first + 1;
  const auto count = static_cast<std::int64_t>(distinct.size());
  const int level = view.layout().axes()[static_cast<std::size_t>(take.axis)].level;
  if (level == 0 && count > 0 && count <= span / 2 && distinct.size() <= most_entries) {
    for (std::int64_t& index : from_front) {
      index = std::ranges::lower_bound(distinct, index) - distinct.begin();
    }
    Stack table = table_of(view, take.axis, distinct);
    ArrayView narrowed = move_first_axis(table.view(), take.axis);
    return {std::move(table), std::move(narrowed), {take.axis, std::move(from_front), take.shape}};
  }
  for (std::int64_t& index : from_front) index -= first;
  return {{},
          view.slice(take.axis, {first, first + span, 1}),
          {take.axis, std::move(from_front), take.shape}};
}

}  // namespace multibuffer::cli
