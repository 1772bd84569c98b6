#include "cuda/plan/kernel_choice.hpp"

#include "host/support/rounding.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <limits>

namespace multibuffer::cuda {
namespace {

// Longer rows are worth the narrow stores at both their ends, where those are not aligned: threads
// that take each word from one row do less than those that put it together from two.
constexpr std::int64_t least_shifted_run = 512;

// What vectors narrower than a word are to be preferred for.
constexpr std::int64_t most_narrow_run = 64;

// Shorter lines leave threads with less than a word to put together. Where both their ends are
// parts of one, threads that each copy an item do as well up to longer lines, the more so the
// larger items are.
constexpr std::int64_t least_words_per_line = 2;
constexpr std::int64_t least_words_of_small_items = 3;
constexpr std::int64_t least_words_of_large_items = 8;

// Longer rows are better put together by `words`, and pixels that lie farther apart share no cache
// lines that neighbours could leave to each other.
constexpr std::int64_t most_parts = 8;
constexpr std::int64_t most_pixel_stride = 128;

// Below this, along either axis, reading a column leaves its cache lines for the columns beside it.
constexpr std::int64_t least_tile_bytes = 32;
constexpr std::int64_t least_tile_rows = 16;

/// A sum of |factor| * (extent - 1) that remembers whether it has left 31 bits.
class Reach {
 public:
  void add(std::int64_t factor, std::int64_t extent) {
    std::int64_t product = 0;
    // An axis of extent 1 moves nothing, but its stride still has to fit in the kernel's word.
    const std::int64_t farthest = std::max<std::int64_t>(extent - 1, 1);
    fits_ = fits_ && !__builtin_mul_overflow(factor, farthest, &product) && product > -limit &&
            product < limit;
    if (fits_) sum_ += product < 0 ? -product : product;
    fits_ = fits_ && sum_ < limit;
  }
  bool fits() const { return fits_; }

  static constexpr std::int64_t limit = std::numeric_limits<std::int32_t>::max();

 private:
  std::int64_t sum_ = 0;
  bool fits_ = true;
};

std::uint64_t bits(std::int64_t value) { return static_cast<std::uint64_t>(value); }
std::uint64_t bits(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }
int alignment(std::uint64_t all) { return 1 << std::countr_zero(all | word_bytes); }

int alignment_of_lines(const GatherPlan& plan, const Lines& lines) {
  std::uint64_t begins = bits(plan.out);
  for (std::size_t i = 0; i < lines.outer_axes; ++i) begins |= bits(plan.axes[i].out_stride);
  return alignment(begins);
}

bool worth_lines(const GatherPlan& plan, const Lines& lines, bool by_pixels) {
  const std::int64_t item = common_vector(plan);
  const std::int64_t words = lines.items * item / word_bytes;
  if (by_pixels || alignment_of_lines(plan, lines) == word_bytes)
    return words >= least_words_per_line;
  return words >= (item <= 2 ? least_words_of_small_items : least_words_of_large_items);
}

bool worth_tiles(const GatherPlan& plan) {
  const Transpose transpose = transpose_of(plan);
  if (!transpose.possible || plan.axes.back().stride == 0) return false;
  return plan.axes.back().extent >= least_tile_rows &&
         plan.axes[transpose.source_axis].extent * plan.run_bytes >= least_tile_bytes;
}

}  // namespace

int source_alignment(const GatherPlan& plan) {
  const int leaf = static_cast<int>(plan.tables.size());
  std::uint64_t all = bits(plan.base) + bits(plan.origins.back());
  if (leaf > 0) all |= bits(plan.unit);
  for (const PlanAxis& axis : plan.axes) all |= axis.level == leaf ? bits(axis.stride) : 0;
  for (const PlanIndices& indices : plan.indices)
    all |= indices.level == leaf ? bits(indices.stride) : 0;
  return alignment(all);
}

int output_alignment(const GatherPlan& plan) {
  std::uint64_t all = bits(plan.out);
  for (const PlanAxis& axis : plan.axes) all |= bits(axis.out_stride);
  return alignment(all);
}

int common_vector(const GatherPlan& plan) {
  return std::min(
      {source_alignment(plan), output_alignment(plan), alignment(bits(plan.run_bytes))});
}

int convert_vector(const GatherPlan& plan) {
  const int from = bytes_of(plan.conversion->from);
  const int to = bytes_of(plan.conversion->to);
  return plan.run_bytes == from ? from : word_bytes / std::max(from, to) * from;
}

Spans spans_of(const GatherPlan& plan) {
  Spans spans{1, 1, plan.axes.size()};
  std::int64_t bytes = plan.run_bytes;
  while (spans.outer_axes > 0 && plan.axes[spans.outer_axes - 1].out_stride == bytes) {
    const std::int64_t extent = plan.axes[--spans.outer_axes].extent;
    spans.rows *= extent;
    bytes *= extent;
  }
  spans.count = plan.rows / spans.rows;
  return spans;
}

bool spans_are_alike(const GatherPlan& plan) {
  const Spans spans = spans_of(plan);
  return std::ranges::all_of(
      plan.axes.begin(), plan.axes.begin() + static_cast<std::ptrdiff_t>(spans.outer_axes),
      [](const PlanAxis& axis) { return axis.out_stride % word_bytes == 0; });
}

Transpose transpose_of(const GatherPlan& plan) {
  const bool whole_items = std::has_single_bit(bits(plan.run_bytes)) &&
                           plan.run_bytes <= word_bytes && common_vector(plan) == plan.run_bytes;
  if (plan.axes.size() < 2 || !whole_items || plan.axes.back().out_stride != plan.run_bytes)
    return {};
  const int leaf = static_cast<int>(plan.tables.size());
  for (std::size_t axis = 0; axis + 1 < plan.axes.size(); ++axis)
    if (plan.axes[axis].level == leaf && std::abs(plan.axes[axis].stride) == plan.run_bytes &&
        !is_indexed(plan, axis))
      return {true, axis};
  return {};
}

Lines lines_of(const GatherPlan& plan) {
  const std::int64_t item = common_vector(plan);
  if (plan.axes.empty() || plan.run_bytes >= word_bytes) return {};
  const std::size_t last = plan.axes.size() - 1;
  const PlanAxis& line = plan.axes[last];
  if (!is_strided(plan, last) || line.out_stride != plan.run_bytes) return {};
  const std::int64_t parts = plan.run_bytes / item;
  Lines lines{line.extent * parts, parts, line.stride, item, last};
  if (parts == 1 && last > 0 && line.extent <= most_parts) {
    // A short line is a pixel of the one that the axis before it makes.
    const PlanAxis& pixels = plan.axes[last - 1];
    const bool is_dense = pixels.out_stride == line.extent * line.out_stride;
    if (is_dense && is_strided(plan, last - 1) && std::abs(pixels.stride) <= most_pixel_stride)
      lines = {pixels.extent * line.extent, line.extent, pixels.stride, line.stride, last - 1};
  }
  if (lines.parts > most_parts || (lines.parts > 1 && std::abs(lines.stride) > most_pixel_stride))
    return {};
  return lines;
}

PixelLines pixels_of(const GatherPlan& plan) {
  const Lines lines = lines_of(plan);
  const std::int64_t item = common_vector(plan);
  const std::int64_t bytes = lines.parts * item;
  const std::int64_t pitch = std::abs(lines.stride);
  // Bytes are turned round one by one: larger items would be turned round themselves.
  const bool reversed = lines.parts > 1 && lines.part_stride < 0;
  const bool is_dense = lines.parts == 1 || lines.part_stride == (reversed ? -1 : item);
  if (lines.items == 0 || !is_dense || item > 2) return {};
  const auto* const found = std::ranges::find_if(pixel_shapes, [&](const PixelShape& shape) {
    return shape.bytes == bytes && shape.pitch == pitch;
  });
  if (found == std::end(pixel_shapes)) return {};
  return {static_cast<int>(found - pixel_shapes), lines.stride < 0, reversed};
}

std::int64_t vectors_in_row(const GatherPlan& plan, const KernelChoice& choice) {
  switch (choice.family) {
    case Family::pixels:
    case Family::lines: {
      const Lines lines = lines_of(plan);
      // However far into a word a line starts, it ends at most so many words later.
      const std::int64_t before = word_bytes - alignment_of_lines(plan, lines);
      return ceil_divide(before + lines.items * choice.vector_bytes, word_bytes);
    }
    case Family::shifted:
      return ceil_divide(plan.run_bytes + word_bytes - output_alignment(plan), word_bytes);
    default:
      return ceil_divide(plan.run_bytes, choice.vector_bytes);
  }
}

int leaf_unit(const GatherPlan& plan, const KernelChoice& choice) {
  if (choice.family == Family::convert)
    return std::min(source_alignment(plan), choice.vector_bytes);
  const bool shifts = choice.family == Family::shifted || choice.family == Family::words;
  return shifts ? source_alignment(plan) : choice.vector_bytes;
}

int output_unit(const GatherPlan& plan, const KernelChoice& choice) {
  if (choice.family == Family::words) return word_bytes;
  if (choice.family == Family::convert)
    return std::min(output_alignment(plan), static_cast<int>(plan.out_bytes(choice.vector_bytes)));
  return choice.family == Family::shifted ? output_alignment(plan) : choice.vector_bytes;
}

int levels_for(const GatherPlan& plan, Family family) {
  // The rows of a tile are one axis more.
  const std::size_t axes = plan.axes.size() + (family == Family::tiles ? 1 : 0);
  const bool small = plan.tables.size() <= compiled_levels && axes <= small_axes &&
                     plan.indices.size() <= small_indices;
  return small ? static_cast<int>(plan.tables.size()) : any_levels;
}

std::int64_t work_items(const GatherPlan& plan, const KernelChoice& choice) {
  switch (choice.family) {
    case Family::copy:
      return 1;
    case Family::elements:
    case Family::shifted:
    case Family::convert:
      return plan.rows * vectors_in_row(plan, choice);
    case Family::pixels:
    case Family::lines:
      return plan.rows * (plan.run_bytes / choice.vector_bytes) / lines_of(plan).items *
             vectors_in_row(plan, choice);
    case Family::words: {
      const Spans spans = spans_of(plan);
      const auto head = static_cast<std::int64_t>(bits(plan.out) % word_bytes);
      return spans.count * ceil_divide(head + spans.rows * plan.run_bytes, word_bytes);
    }
    case Family::tiles: {
      const std::int64_t side = tile_shape(choice.vector_bytes).side;
      const std::int64_t columns = plan.axes[transpose_of(plan).source_axis].extent;
      const std::int64_t rows = plan.axes.back().extent;
      return plan.rows / (rows * columns) * ceil_divide(rows, side) * ceil_divide(columns, side);
    }
  }
  return 0;
}

std::int64_t items_per_turn(const KernelChoice& choice, int threads) {
  if (choice.family == Family::tiles) return tile_shape(choice.vector_bytes).per_turn;
  return std::int64_t{threads} * batch;
}

bool fits_31_bits(const GatherPlan& plan, const KernelChoice& choice) {
  const int leaf = static_cast<int>(plan.tables.size());
  const std::int64_t in_leaf = leaf_unit(plan, choice);
  const std::int64_t in_output = output_unit(plan, choice);
  // Tiles are steps along both their axes, and their rows are counted.
  const std::int64_t side =
      choice.family == Family::tiles ? tile_shape(choice.vector_bytes).side : 1;
  const auto stepped = [&](std::int64_t extent) {
    return side > 1 ? std::max(extent, side + 1) : extent;
  };
  std::array<Reach, compiled_levels + 1> levels;
  Reach out;
  out.add(1, plan.out_bytes(plan.run_bytes) / in_output);
  // Bytes of a line of 2-byte items are counted from where its first word begins, in 32 bits.
  if (choice.family == Family::pixels) out.add(1, word_bytes);
  levels[static_cast<std::size_t>(leaf)].add(1, plan.run_bytes / in_leaf);

  const std::size_t outer =
      choice.family == Family::words ? spans_of(plan).outer_axes : plan.axes.size();
  for (std::size_t i = 0; i < plan.axes.size(); ++i) {
    const PlanAxis& axis = plan.axes[i];
    const std::int64_t extent = stepped(axis.extent);
    levels[static_cast<std::size_t>(axis.level)].add(
        axis.level == leaf ? axis.stride / in_leaf : axis.stride, extent);
    if (i < outer) out.add(axis.out_stride / in_output, extent);
  }
  const std::int64_t items = work_items(plan, choice);
  bool fits = items < Reach::limit / side && plan.rows < Reach::limit;
  for (const PlanIndices& indices : plan.indices) {
    levels[static_cast<std::size_t>(indices.level)].add(
        indices.level == leaf ? indices.stride / in_leaf : indices.stride, indices.extent);
    Reach positions;
    positions.add(1, indices.extent);
    for (std::size_t i = 0; i < plan.axes.size(); ++i)
      positions.add(indices.steps[i], stepped(plan.axes[i].extent));
    fits = fits && positions.fits();
  }
  return fits && out.fits() && std::ranges::all_of(levels, &Reach::fits);
}

namespace {

/// Where vectors that all sides agree on are narrower than a word, and rows longer than one.
Family family_for_misaligned(const GatherPlan& plan) {
  const bool whole_words = output_alignment(plan) == word_bytes && plan.run_bytes % word_bytes == 0;
  if (whole_words || plan.run_bytes >= least_shifted_run) return Family::shifted;
  if (spans_are_alike(plan)) return Family::words;
  return plan.run_bytes > most_narrow_run ? Family::shifted : Family::elements;
}

Family family_for(const GatherPlan& plan) {
  if (plan.conversion) return Family::convert;
  if (plan.axes.empty() && plan.indices.empty() && plan.tables.empty()) return Family::copy;
  if (worth_tiles(plan)) return Family::tiles;
  const int vector = common_vector(plan);
  if (vector == word_bytes) return Family::elements;
  const Lines lines = lines_of(plan);
  const bool by_pixels = pixels_of(plan).shape >= 0;
  if (worth_lines(plan, lines, by_pixels)) return by_pixels ? Family::pixels : Family::lines;
  if (plan.run_bytes == vector) return Family::elements;
  return family_for_misaligned(plan);
}

int vector_for(const GatherPlan& plan, Family family) {
  switch (family) {
    case Family::copy:
      return 1;
    case Family::shifted:
    case Family::words:
      return word_bytes;
    case Family::convert:
      return convert_vector(plan);
    default:
      return common_vector(plan);
  }
}

}  // namespace

KernelChoice choose_kernel(const GatherPlan& plan) {
  KernelChoice choice;
  choice.family = family_for(plan);
  choice.vector_bytes = vector_for(plan, choice.family);
  if (choice.family == Family::copy) return choice;
  choice.levels = levels_for(plan, choice.family);
  choice.wide = choice.levels == any_levels || !fits_31_bits(plan, choice);
  // Few gathers are that large, and what it costs to send a plan is lost in them.
  if (choice.wide && choice.family != Family::elements) choice.levels = any_levels;
  return choice;
}

}  // namespace multibuffer::cuda
