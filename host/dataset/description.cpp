#include "host/dataset/description.hpp"

#include <multibuffer/error.hpp>

#include "host/support/text.hpp"

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstring>
#include <utility>
#include <vector>

namespace multibuffer {
namespace {

// ---- A description as bytes: little-endian numbers, and strings behind their lengths

constexpr std::string_view magic = "multibuffer dataset 1\n";

void put(std::string& to, std::integral auto value) {
  static_assert(std::endian::native == std::endian::little);
  to.append(reinterpret_cast<const char*>(&value), sizeof(value));
}
void put(std::string& to, std::string_view value) {
  put(to, std::uint32_t(value.size()));
  to += value;
}
template <class T>
void put(std::string& to, const std::vector<T>& values) {
  put(to, std::uint64_t{values.size()});
  to.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

[[noreturn]] void throw_damaged() {
  throw Failure(Errc::invalid_argument, "a damaged description of a dataset: it is cut");
}

std::string_view take_bytes(std::string_view& from, std::size_t count) {
  if (from.size() < count) throw_damaged();
  const std::string_view taken = from.substr(0, count);
  from.remove_prefix(count);
  return taken;
}
template <class T>
T take_number(std::string_view& from) {
  T value;
  std::memcpy(&value, take_bytes(from, sizeof(T)).data(), sizeof(T));
  return value;
}
std::string take_string(std::string_view& from) {
  return std::string(take_bytes(from, take_number<std::uint32_t>(from)));
}
template <class T>
std::vector<T> take_vector(std::string_view& from) {
  const auto count = take_number<std::uint64_t>(from);
  if (count > from.size() / sizeof(T)) throw_damaged();
  std::vector<T> values(static_cast<std::size_t>(count));
  const std::string_view bytes = take_bytes(from, values.size() * sizeof(T));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::size_t shared_start(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

std::size_t take_count(std::string_view& from) {
  const auto count = take_number<std::uint32_t>(from);
  if (count > static_cast<std::uint32_t>(max_axes)) throw_damaged();
  return count;
}

/// Throws unless the elements of each piece lie in its file.
void check_offsets(const Grid& grid, const std::vector<DatasetFile>& files) {
  const auto lies_inside = [&](std::uint32_t number, std::int64_t begin, std::int64_t end) {
    const DatasetFile& file = files[number];
    return begin >= 0 && end <= (file.decoded_bytes > 0 ? file.decoded_bytes : file.stamp.bytes);
  };
  if (!grid.every_piece(lies_inside)) throw_damaged();
}

void put_source(std::string& to, const DatasetSource& source) {
  const Grid& grid = source.grid;
  to += magic;
  put(to, std::string_view(grid.descr));
  put(to, std::string_view(grid.format.text()));
  put(to, grid.format.itemsize());
  put(to, std::uint32_t(grid.axes.size()));
  for (const GridAxis& axis : grid.axes) {
    put(to, axis.extent);
    put(to, axis.piece);
    put(to, axis.stride);
    put(to, axis.starts);
  }
  put(to, grid.offsets);
  put(to, grid.files);
  put(to, source.window);
  put(to, std::uint32_t(source.files.size()));
  std::string_view before;
  for (const DatasetFile& file : source.files) {  // neighbours' names begin alike
    if (file.path.empty())
      throw Failure(Errc::invalid_argument,
                    "a dataset of parts in memory has no files to be described by");
    const std::size_t shared = shared_start(before, file.path);
    put(to, std::uint32_t(shared));
    put(to, std::string_view(file.path).substr(shared));
    put(to, file.stamp.bytes);
    put(to, file.stamp.modified);
    put(to, file.decoded_bytes);
    before = file.path;
  }
}

std::shared_ptr<DatasetSource> take_source(std::string_view& bytes) {
  if (!bytes.starts_with(magic))
    throw Failure(Errc::invalid_argument,
                  "no description of a dataset, or one of another version of this library");
  bytes.remove_prefix(magic.size());
  Grid grid;
  grid.descr = take_string(bytes);
  const std::string format = take_string(bytes);
  grid.format = Format(format, take_number<std::int64_t>(bytes));
  grid.axes.resize(take_count(bytes));
  for (GridAxis& axis : grid.axes) {
    axis.extent = take_number<std::int64_t>(bytes);
    axis.piece = take_number<std::int64_t>(bytes);
    axis.stride = take_number<std::int64_t>(bytes);
    axis.starts = take_vector<std::int64_t>(bytes);
  }
  grid.offsets = take_vector<std::int64_t>(bytes);
  grid.files = take_vector<std::uint32_t>(bytes);
  const auto window = take_number<std::int64_t>(bytes);
  const auto count = take_number<std::uint32_t>(bytes);
  std::vector<DatasetFile> files;
  std::string before;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto shared = take_number<std::uint32_t>(bytes);
    if (shared > before.size()) throw_damaged();
    DatasetFile file;
    file.path = before.substr(0, shared) + take_string(bytes);
    file.stamp.bytes = take_number<std::int64_t>(bytes);
    file.stamp.modified = take_number<std::int64_t>(bytes);
    file.decoded_bytes = take_number<std::int64_t>(bytes);
    if (file.path.empty() || file.decoded_bytes < 0) throw_damaged();
    before = file.path;
    files.push_back(std::move(file));
  }
  grid.check(files.size());
  check_offsets(grid, files);
  return std::make_shared<DatasetSource>(std::move(grid), std::move(files), window);
}

// ---- The view: axes and origins over the files' axes

void put_view(std::string& to, const Format& format, const Layout& layout) {
  put(to, std::string_view(format.text()));
  put(to, format.itemsize());
  put(to, std::uint32_t(layout.axes().size()));
  for (const Axis& axis : layout.axes()) {
    put(to, axis.extent);
    put(to, axis.stride);
    put(to, std::int32_t{axis.level});
  }
  put(to, std::vector<std::int64_t>(layout.origins().begin(), layout.origins().end()));
}

/// Throws unless all indices that a view makes lie within the files' axes, and all bytes within an
/// element.
void check_view(const Grid& grid, const Format& format, const Layout& layout) {
  if (layout.levels() != static_cast<int>(grid.axes.size()) || format.itemsize() < 1)
    throw_damaged();
  if (layout.empty()) return;
  for (std::size_t level = 0; level < layout.origins().size(); ++level) {
    const std::int64_t extent = level < grid.axes.size()
                                    ? grid.axes[level].extent
                                    : grid.format.itemsize() - format.itemsize() + 1;
    std::int64_t least = layout.origins()[level];
    std::int64_t most = least;
    for (const Axis& axis : layout.axes()) {
      std::int64_t reach = 0;
      if (axis.level != static_cast<int>(level)) continue;
      std::int64_t& side = axis.stride < 0 ? least : most;
      if (__builtin_mul_overflow(axis.extent - 1, axis.stride, &reach) ||
          __builtin_add_overflow(side, reach, &side))
        throw_damaged();
    }
    if (least < 0 || most >= extent) throw_damaged();
  }
}

}  // namespace

std::string view_description_of(const Format& format, const Layout& layout) {
  std::string bytes;
  put_view(bytes, format, layout);
  return bytes;
}

DescribedView described_view(std::string_view bytes, const Grid& grid) {
  const std::string format_text = take_string(bytes);
  Format format(format_text, take_number<std::int64_t>(bytes));
  std::vector<Axis> axes(take_count(bytes));
  for (Axis& axis : axes) {
    axis.extent = take_number<std::int64_t>(bytes);
    axis.stride = take_number<std::int64_t>(bytes);
    axis.level = take_number<std::int32_t>(bytes);
  }
  Layout layout(std::move(axes), take_vector<std::int64_t>(bytes));
  check_view(grid, format, layout);
  return {std::move(format), std::move(layout)};
}

std::string description_of(const DatasetSource& source, const Format& format,
                           const Layout& layout) {
  std::string bytes;
  put_source(bytes, source);
  bytes += view_description_of(format, layout);
  return bytes;
}

Described described(std::string_view bytes) {
  std::shared_ptr<const DatasetSource> source = take_source(bytes);
  DescribedView view = described_view(bytes, source->grid);
  return {std::move(source), std::move(view.format), std::move(view.layout)};
}

}  // namespace multibuffer
