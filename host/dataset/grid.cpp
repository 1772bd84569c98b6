#include "host/dataset/grid.hpp"

#include <multibuffer/error.hpp>

#include "host/support/checked.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace multibuffer {
namespace {

using files::StoredArray;

std::int64_t pieces_of(std::int64_t extent, std::int64_t piece) {
  return extent == 0 ? 0 : (extent - 1) / piece + 1;
}

bool is_empty(const StoredArray& array) {
  return std::ranges::find(array.shape, 0) != array.shape.end();
}

[[noreturn]] void throw_unlike(const Part& first, const Part& other, const std::string& what) {
  throw Failure(Errc::invalid_argument,
                text(other.name, " cannot be joined to ", first.name, ": ", what));
}

/// Throws unless parts agree in all but the extent and the pieces of the first `free_axes` axes.
void check_alike(const Part& first, const Part& other, std::size_t free_axes) {
  const StoredArray& a = first.array;
  const StoredArray& b = other.array;
  const auto unlike = [&](const std::string& what) { throw_unlike(first, other, what); };
  if (a.descr != b.descr) unlike(text("its elements are ", b.descr, ", not ", a.descr));
  if (a.format != b.format &&
      !same_meaning(Format(a.format, a.itemsize), Format(b.format, b.itemsize)))
    unlike(text("its elements are '", b.format, "', not '", a.format, "'"));
  const bool same_axes = a.shape.size() == b.shape.size();
  if (!same_axes ||
      !std::equal(a.shape.begin() + static_cast<std::ptrdiff_t>(free_axes), a.shape.end(),
                  b.shape.begin() + static_cast<std::ptrdiff_t>(free_axes))) {
    const bool stackable = same_axes && free_axes == 0;
    unlike(text("its shape is ", tuple_text(b.shape), ", not ", tuple_text(a.shape),
                stackable ? "; arrays of different lengths can be concatenated" : ""));
  }
  if (is_empty(a) || is_empty(b)) return;
  for (std::size_t i = 0; i < a.shape.size(); ++i) {
    if (i >= free_axes && a.piece[i] != b.piece[i])
      unlike(
          text("it is stored in chunks of ", tuple_text(b.piece), ", not ", tuple_text(a.piece)));
    if (a.strides[i] != b.strides[i] && b.shape[i] > 1)
      unlike(text("its strides are ", tuple_text(b.strides), " bytes, not ", tuple_text(a.strides),
                  "; make it contiguous in C order (numpy.ascontiguousarray)"));
  }
}

/// The first part that has elements and, if there is one, several along axis 0: the strides of
/// others say nothing.
std::size_t model_of(const std::vector<Part>& parts) {
  const auto first = [&](std::int64_t least) {
    return std::ranges::find_if(parts, [=](const Part& part) {
      return !is_empty(part.array) && (part.array.shape.empty() || part.array.shape[0] >= least);
    });
  };
  auto some = first(2);
  if (some == parts.end()) some = first(1);
  return some == parts.end() ? 0 : static_cast<std::size_t>(some - parts.begin());
}

Grid with_elements_of(const StoredArray& array) {
  return {.descr = array.descr,
          .format = Format(array.format, array.itemsize),
          .axes = {},
          .offsets = {},
          .files = {}};
}

/// The axes of a part within it.
void append_axes(Grid& grid, const StoredArray& array) {
  for (std::size_t i = 0; i < array.shape.size(); ++i)
    grid.axes.push_back({array.shape[i], array.piece[i], {}, array.strides[i]});
}

void append_pieces(Grid& grid, const Part& part) {
  if (is_empty(part.array)) return;
  grid.offsets.insert(grid.offsets.end(), part.array.offsets.begin(), part.array.offsets.end());
  grid.files.insert(grid.files.end(), part.array.offsets.size(), part.file);
}

void finish(Grid& grid) {
  if (std::ranges::all_of(grid.files, [](std::uint32_t file) { return file == 0; }))
    grid.files.clear();
  grid.files.shrink_to_fit();
  grid.offsets.shrink_to_fit();
  std::int64_t bytes = grid.format.itemsize();
  for (const GridAxis& axis : grid.axes)
    bytes = checked_multiply(bytes, std::max<std::int64_t>(axis.extent, 1),
                             "the size of the array in bytes");
}

}  // namespace

std::int64_t GridAxis::pieces() const noexcept {
  return starts.empty() ? pieces_of(extent, piece) : static_cast<std::int64_t>(starts.size()) - 1;
}

GridAxis::Place GridAxis::locate(std::int64_t index) const noexcept {
  if (starts.empty()) {
    const std::int64_t at = index / piece;
    return {at, index - at * piece};
  }
  const auto after = std::ranges::upper_bound(starts, index);
  const std::int64_t at = after - starts.begin() - 1;
  return {at, index - starts[static_cast<std::size_t>(at)]};
}

std::int64_t GridAxis::end_of(std::int64_t at) const noexcept {
  if (starts.empty()) return std::min((at + 1) * piece, extent);
  return starts[static_cast<std::size_t>(at) + 1];
}

bool Grid::every_piece(const VisitPiece& visit) const {
  std::vector<std::int64_t> at(axes.size(), 0);  // the piece, on each axis
  for (std::size_t piece = 0; piece < offsets.size(); ++piece) {
    std::int64_t least = offsets[piece];
    std::int64_t end = 0;
    if (__builtin_add_overflow(least, format.itemsize(), &end)) return false;
    for (std::size_t i = 0; i < at.size(); ++i) {
      const std::int64_t first = at[i] == 0 ? 0 : axes[i].end_of(at[i] - 1);
      std::int64_t reach = 0;
      if (__builtin_mul_overflow(axes[i].end_of(at[i]) - first - 1, axes[i].stride, &reach))
        return false;
      std::int64_t& side = reach < 0 ? least : end;
      if (__builtin_add_overflow(side, reach, &side)) return false;
    }
    if (!visit(file_of(static_cast<std::int64_t>(piece)), least, end)) return false;
    for (std::size_t i = at.size(); i-- > 0;) {
      if (++at[i] < axes[i].pieces()) break;
      at[i] = 0;
    }
  }
  return true;
}

std::vector<std::int64_t> Grid::shape() const {
  std::vector<std::int64_t> shape;
  for (const GridAxis& axis : axes) shape.push_back(axis.extent);
  return shape;
}

void Grid::check(std::size_t file_count) const {
  const auto refuse = [](const char* what) {
    throw Failure(Errc::invalid_argument, text("a damaged description of a dataset: ", what));
  };
  if (axes.size() > 60) refuse("its axes");
  std::int64_t pieces = 1;
  std::int64_t size = 1;
  for (const GridAxis& axis : axes) {
    if (axis.extent < 0 || axis.piece < 1) refuse("its shape");
    if (!axis.starts.empty() &&
        (axis.starts.size() < 2 || axis.starts.front() != 0 || axis.starts.back() != axis.extent ||
         !std::ranges::is_sorted(axis.starts, std::less_equal{})))
      refuse("its pieces");
    if (__builtin_mul_overflow(pieces, axis.pieces(), &pieces) ||
        __builtin_mul_overflow(size, std::max<std::int64_t>(axis.extent, 1), &size))
      refuse("its size");
  }
  if (size > 0 && std::ranges::none_of(axes, [](const GridAxis& a) { return a.extent == 0; }) &&
      pieces != static_cast<std::int64_t>(offsets.size()))
    refuse("the number of its pieces");
  if (!files.empty() && files.size() != offsets.size()) refuse("its files");
  if (file_count == 0 && !offsets.empty()) refuse("its files");
  for (const std::uint32_t file : files)
    if (file >= file_count) refuse("its files");
}

Grid concatenated(std::vector<Part> parts) {
  if (parts.empty()) throw Failure(Errc::invalid_argument, "no arrays to join");
  if (parts.size() == 1) {
    Grid grid = with_elements_of(parts[0].array);
    append_axes(grid, parts[0].array);
    append_pieces(grid, parts[0]);
    finish(grid);
    return grid;
  }
  const Part& model = parts[model_of(parts)];
  if (model.array.shape.empty())
    throw Failure(Errc::invalid_argument,
                  text(model.name, ": an array without axes has no axis 0 to join along"));
  Grid grid = with_elements_of(model.array);
  append_axes(grid, model.array);
  GridAxis& rows = grid.axes[0];
  rows.extent = 0;
  rows.starts = {0};
  for (const Part& part : parts) {
    check_alike(model, part, 1);
    append_pieces(grid, part);
    const std::int64_t first = rows.extent;
    rows.extent = checked_add(first, part.array.shape[0], "the extent of axis 0");
    if (is_empty(part.array)) {
      // With no elements elsewhere, its rows have no pieces, and are rows all the same.
      if (rows.extent > first) rows.starts.back() = rows.extent;
      continue;
    }
    const std::int64_t step = part.array.piece[0];
    for (std::int64_t end = first; end < rows.extent;)
      rows.starts.push_back(end = rows.extent - end > step ? end + step : rows.extent);
  }
  if (rows.starts.size() < 2) rows.starts.clear();
  // Pieces of one extent, the last apart, are found by a division.
  const auto regular = [&] {
    if (rows.starts.size() < 2) return false;
    const std::int64_t step = rows.starts[1];
    for (std::size_t i = 1; i + 1 < rows.starts.size(); ++i)
      if (rows.starts[i] != static_cast<std::int64_t>(i) * step) return false;
    return rows.starts.back() - rows.starts[rows.starts.size() - 2] <= step;
  };
  if (regular()) {
    rows.piece = rows.starts[1];
    rows.starts.clear();
  }
  finish(grid);
  return grid;
}

Grid stacked(std::vector<Part> parts, std::span<const std::int64_t> extents) {
  if (parts.empty()) throw Failure(Errc::invalid_argument, "no arrays to stack");
  const Part& model = parts[model_of(parts)];
  Grid grid = with_elements_of(model.array);
  for (const std::int64_t extent : extents) grid.axes.push_back({extent, 1, {}, 0});
  append_axes(grid, model.array);
  for (const Part& part : parts) {
    check_alike(model, part, 0);
    append_pieces(grid, part);
  }
  finish(grid);
  return grid;
}

}  // namespace multibuffer
