#include "host/cpu/convert_plane.hpp"

#include "host/bytes/nontemporal_pieces.hpp"
#include "host/bytes/simd.hpp"
#include "host/cpu/copy_plane.hpp"
#include "host/cpu/copy_rows.hpp"
#include "host/support/rounding.hpp"
#include "host/support/threshold.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>

// Scalars are converted where they are contiguous. Others are first gathered into a small buffer,
// or afterwards scattered from one: copying has its own ways for strides (see way.hpp).

namespace multibuffer {
namespace {

/// Scratch for one tile: this many source bytes, and up to twice as many converted ones.
constexpr std::int64_t buffer_bytes = 8192;
using Buffer = std::array<std::byte, static_cast<std::size_t>(buffer_bytes)>;
/// A tile uses so much of its buffer.
constexpr Threshold tile_bytes{buffer_bytes, 128};

/// Shorter rows are converted together.
constexpr std::int64_t least_run_bytes = 512;

/// The outer indices of a transposed plane in one tile: some cache lines of it.
constexpr Threshold tile_outer{32, 3};

/// The source bytes of a piece of a run, and how far ahead the source is prefetched.
constexpr std::int64_t piece_source_bytes = 2048, ahead_bytes = 4096;

/// Converts `bytes` source bytes of scalars that are contiguous on both sides.
void convert_run(std::byte* to, const std::byte* from, std::int64_t bytes,
                 const ConvertItems& convert, const ScalingPlaces& places, bool nontemporal) {
  const std::int64_t count = bytes / convert.from_bytes(), out_bytes = convert.to_bytes();
  if (!nontemporal || count * out_bytes < most_piece_bytes) return convert(to, from, count, places);
  const std::int64_t piece_bytes =
      std::clamp(convert.out_bytes(piece_source_bytes), 4 * cache_line_bytes, most_piece_bytes);
  write_nontemporal_pieces(to, count, out_bytes, piece_bytes,
                           [&](std::byte* out, std::int64_t begin, std::int64_t items) {
                             const std::byte* const source = from + begin * convert.from_bytes();
                             const std::int64_t source_bytes = items * convert.from_bytes();
                             for (std::int64_t at = 0; at < source_bytes; at += cache_line_bytes)
                               prefetch_from(source, ahead_bytes + at);
                             convert(out, source, items, places.from(begin));
                           });
}

/// Returns the places of groups of `count` numbers whose first ones are `group_step` apart: those
/// of one group, where they continue each other.
ScalingPlaces grouped(const ConvertItems& convert, std::int64_t first, std::int64_t step,
                      std::int64_t count, std::int64_t group_step) {
  const std::int64_t period = convert.scaling() ? convert.scaling()->period : 1;
  if (count == 1) return {.first = first, .step = group_step % period};
  if ((group_step - step * (count % period)) % period == 0) return {.first = first, .step = step};
  return {.first = first, .step = step, .group = count, .group_step = group_step};
}

/// Returns the places of a whole tile whose rows have `numbers` numbers; nothing where it takes
/// more than groups to say them.
std::optional<ScalingPlaces> places_of_tile(const Plane& tile, const PlanePlaces& places,
                                            std::int64_t numbers, const ConvertItems& convert) {
  const ScalingPlaces rows =
      grouped(convert, places.first, places.run_step, numbers, places.row_step);
  if (tile.outer == 1) return rows;
  if (rows.group == 0)
    return grouped(convert, places.first, rows.step, tile.rows * numbers, places.outer_step);
  const std::int64_t period = convert.scaling()->period;
  const bool continues = (places.outer_step - places.row_step * (tile.rows % period)) % period == 0;
  if (continues) return rows;
  return std::nullopt;
}

/// Converts a plane that fits into the buffers.
void convert_tile(const Plane& tile, const PlanePlaces& places, const ConvertItems& convert,
                  bool nontemporal) {
  alignas(cache_line_bytes) Buffer gathered;
  alignas(cache_line_bytes) std::array<std::byte, 2 * sizeof(Buffer)> converted;
  const std::int64_t run_bytes = tile.rows * tile.row_bytes;
  const std::int64_t out_row_bytes = convert.out_bytes(tile.row_bytes);
  const std::int64_t out_run_bytes = tile.rows * out_row_bytes;
  const std::int64_t numbers = tile.row_bytes / convert.from_bytes();
  const std::optional<ScalingPlaces> whole = places_of_tile(tile, places, numbers, convert);

  Plane gather = tile;
  gather.to = gathered.data();
  gather.outer_out_stride = run_bytes;
  gather.out_stride = tile.row_bytes;
  const bool is_dense_in = tile.outer == 1 && tile.stride == tile.row_bytes;
  if (!is_dense_in) copy_plane(gather, false);
  const std::byte* from = is_dense_in ? tile.from : gathered.data();

  const bool is_dense_out = tile.out_stride == out_row_bytes || tile.rows == 1;
  const bool is_one_run = is_dense_out && whole.has_value() &&
                          (tile.outer == 1 || tile.outer_out_stride == out_run_bytes);
  if (is_one_run)
    return convert_run(tile.to, from, tile.outer * run_bytes, convert, *whole, nontemporal);
  const auto for_each_outer = [&](const auto& use) {
    for (std::int64_t l = 0; l < tile.outer; ++l)
      use(l, from + l * run_bytes,
          grouped(convert, places.first + l * places.outer_step, places.run_step, numbers,
                  places.row_step));
  };
  if (is_dense_out)
    return for_each_outer([&](std::int64_t l, const std::byte* run, const ScalingPlaces& at) {
      convert_run(tile.to + l * tile.outer_out_stride, run, run_bytes, convert, at, nontemporal);
    });
  if (whole)
    convert(converted.data(), from, tile.outer * run_bytes / convert.from_bytes(), *whole);
  else
    for_each_outer([&](std::int64_t l, const std::byte* run, const ScalingPlaces& at) {
      convert(converted.data() + l * out_run_bytes, run, tile.rows * numbers, at);
    });
  Plane scatter = tile;
  scatter.from = converted.data();
  scatter.outer_stride = out_run_bytes;
  scatter.stride = out_row_bytes;
  scatter.row_bytes = out_row_bytes;
  copy_plane(scatter, false);
}

/// The rows, and outer indices, that fit into the buffers.
struct TileShape {
  std::int64_t outer;
  std::int64_t rows;
};
TileShape tile_shape(const Plane& plane, const ConvertItems& convert) {
  // Half a source buffer, so that scalars eight times as wide stay within twice a buffer.
  const std::int64_t grown =
      std::max<std::int64_t>(1, ceil_divide(convert.to_bytes(), 2 * convert.from_bytes()));
  const std::int64_t fitting = std::max<std::int64_t>(1, tile_bytes / grown / plane.row_bytes);
  const bool is_transposed =
      plane.outer > 1 && std::abs(plane.outer_stride) < std::abs(plane.stride);
  if (is_transposed) {
    const std::int64_t outer = std::min({plane.outer, std::int64_t{tile_outer}, fitting});
    return {outer, std::min(plane.rows, fitting / outer)};
  }
  const std::int64_t rows = std::min(plane.rows, fitting);
  return {rows < plane.rows ? 1 : std::min(plane.outer, fitting / rows), rows};
}

}  // namespace

void convert_plane(const Plane& plane, const PlanePlaces& places, const ConvertItems& convert,
                   bool nontemporal) {
  const bool long_rows = plane.row_bytes >= least_run_bytes;
  const TileShape shape = long_rows ? TileShape{1, 1} : tile_shape(plane, convert);
  for (std::int64_t l = 0; l < plane.outer; l += shape.outer)
    for (std::int64_t r = 0; r < plane.rows; r += shape.rows) {
      Plane tile = plane;
      tile.to += l * plane.outer_out_stride + r * plane.out_stride;
      tile.from += l * plane.outer_stride + r * plane.stride;
      tile.outer = std::min(shape.outer, plane.outer - l);
      tile.rows = std::min(shape.rows, plane.rows - r);
      PlanePlaces of_tile = places;
      of_tile.first += l * places.outer_step + r * places.row_step;
      if (long_rows) {
        convert_run(tile.to, tile.from, plane.row_bytes, convert,
                    {.first = of_tile.first, .step = places.run_step}, nontemporal);
      } else {
        convert_tile(tile, of_tile, convert, nontemporal);
      }
    }
}

namespace {

constexpr std::size_t most_rows = 64;

/// Returns how many of the rows, from the first on, have places that one `ScalingPlaces` says, and
/// that.
std::size_t leading_groups(std::span<const std::int64_t> places, std::int64_t numbers,
                           const ConvertItems& convert, ScalingPlaces& said) {
  const PlanScaling& scaling = *convert.scaling();
  const auto apart = [&](std::size_t i) {
    const std::int64_t step = (places[i] - places[i - 1]) % scaling.period;
    return step < 0 ? step + scaling.period : step;
  };
  std::size_t count = 1;
  const std::int64_t step = places.size() > 1 ? apart(1) : 0;
  while (count < places.size() && apart(count) == step) ++count;
  said = grouped(convert, places[0], scaling.run_step, numbers, step);
  return count;
}

/// Rows short enough to be converted together: they are copied into one buffer, with the caches
/// asked for those ahead.
void convert_short_rows(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
                        std::span<const std::int64_t> places, std::int64_t row_bytes,
                        const ConvertItems& convert, bool nontemporal) {
  alignas(cache_line_bytes) std::array<std::byte, most_rows * least_run_bytes> gathered;
  std::array<RowCopy, most_rows> together;
  const std::int64_t out_row_bytes = convert.out_bytes(row_bytes);
  bool is_dense_out = true;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto n = static_cast<std::int64_t>(i);
    together[i] = {rows[i].from, gathered.data() + n * row_bytes};
    is_dense_out = is_dense_out && rows[i].to == rows[0].to + n * out_row_bytes;
  }
  copy_rows(std::span(together).first(rows.size()), ahead, row_bytes, false);
  const std::int64_t numbers = row_bytes / convert.from_bytes();
  for (std::size_t begin = 0; begin < rows.size();) {
    ScalingPlaces said;
    const std::size_t count = convert.scaling()
                                  ? leading_groups(places.subspan(begin), numbers, convert, said)
                                  : rows.size();
    const std::byte* from = together[begin].to;
    if (is_dense_out) {
      convert_run(rows[begin].to, from, static_cast<std::int64_t>(count) * row_bytes, convert, said,
                  nontemporal);
    } else {
      for (std::size_t i = 0; i < count; ++i)
        convert(rows[begin + i].to, together[begin + i].to, numbers,
                said.from(static_cast<std::int64_t>(i) * numbers));
    }
    begin += count;
  }
}

/// Converts a row, and prefetches one of as many bytes from `later` on: by pieces in turn, since
/// whoever asks for many lines at once waits for them.
void convert_and_prefetch(const RowCopy& row, const std::byte* later, std::int64_t row_bytes,
                          const ConvertItems& convert, const ScalingPlaces& places) {
  constexpr Threshold turn_bytes{1024, cache_line_bytes};  // whole numbers of any type
  const std::int64_t turn = turn_bytes;
  for (std::int64_t at = 0; at < row_bytes; at += turn) {
    const std::int64_t bytes = std::min(turn, row_bytes - at);
    prefetch_lines(later + at, bytes);
    convert(row.to + convert.out_bytes(at), row.from + at, bytes / convert.from_bytes(),
            places.from(at / convert.from_bytes()));
  }
}

}  // namespace

void convert_rows(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
                  std::span<const std::int64_t> places, std::int64_t row_bytes,
                  const ConvertItems& convert, bool nontemporal) {
  if (rows.empty()) return;
  if (row_bytes < least_run_bytes)
    return convert_short_rows(rows, ahead, places, row_bytes, convert, nontemporal);
  constexpr std::int64_t most_prefetched_bytes = std::int64_t{32} << 10;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ScalingPlaces at;
    if (const PlanScaling* const scaling = convert.scaling())
      at = {.first = places[i], .step = scaling->run_step};
    if (i < ahead.size() && !nontemporal && row_bytes <= most_prefetched_bytes) {
      convert_and_prefetch(rows[i], ahead[i].from, row_bytes, convert, at);
      continue;
    }
    if (i < ahead.size()) prefetch_row(ahead[i].from, row_bytes);
    convert_run(rows[i].to, rows[i].from, row_bytes, convert, at, nontemporal);
  }
}

}  // namespace multibuffer
