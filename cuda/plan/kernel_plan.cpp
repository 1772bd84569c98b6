#include "cuda/plan/kernel_plan.hpp"

#include "host/support/rounding.hpp"

#include <algorithm>
#include <cstring>
#include <span>

namespace multibuffer::cuda {
namespace {

Address address_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

/// What is known to fit; see `fits_31_bits`.
template <class To>
To narrowed(std::int64_t value) {
  return static_cast<To>(value);
}

/// A plan whose transpose reads forwards: where the leaves' dense axis runs backwards, it is walked
/// from its other end, on both sides.
GatherPlan reading_forwards(GatherPlan plan, std::size_t source_axis) {
  PlanAxis& axis = plan.axes[source_axis];
  if (axis.stride > 0) return plan;
  plan.origins.back() += axis.stride * (axis.extent - 1);
  plan.out += axis.out_stride * (axis.extent - 1);
  axis.stride = -axis.stride;
  axis.out_stride = -axis.out_stride;
  return plan;
}

/// The axes of a plan as its kernel walks them: where each comes from, and how many steps along
/// that it takes at once.
struct WalkAxis {
  std::int64_t extent = 0;
  std::size_t from = 0;
  std::int64_t step = 1;
};
std::vector<WalkAxis> walk_of(const GatherPlan& plan, const KernelChoice& choice) {
  std::vector<WalkAxis> walk;
  if (choice.family != Family::tiles) {
    const bool by_lines = choice.family == Family::lines || choice.family == Family::pixels;
    const std::size_t count = by_lines ? lines_of(plan).outer_axes : plan.axes.size();
    for (std::size_t i = 0; i < count; ++i) walk.push_back({plan.axes[i].extent, i, 1});
    return walk;
  }
  const std::int64_t side = tile_shape(choice.vector_bytes).side;
  const std::size_t rows = plan.axes.size() - 1;
  const std::size_t columns = transpose_of(plan).source_axis;
  for (std::size_t i = 0; i < rows; ++i)
    if (i != columns) walk.push_back({plan.axes[i].extent, i, 1});
  for (const std::size_t axis : {columns, rows})
    walk.push_back({ceil_divide(plan.axes[axis].extent, side), axis, side});
  walk.push_back({side, rows, 1});
  return walk;
}

template <class Offset>
KernelLine<Offset> kernel_line(const GatherPlan& plan, const KernelChoice& choice) {
  using Count = CountOf<Offset>;
  const Lines lines = lines_of(plan);
  const std::int64_t unit = leaf_unit(plan, choice);
  return {narrowed<Count>(lines.items), make_divisor(narrowed<Count>(lines.parts)),
          narrowed<Offset>(lines.stride / unit), narrowed<Offset>(lines.part_stride / unit)};
}

template <class Offset>
KernelPixels<Offset> kernel_pixels(const GatherPlan& plan, const KernelChoice& choice) {
  const PixelLines pixels = pixels_of(plan);
  return {narrowed<CountOf<Offset>>(lines_of(plan).items * choice.vector_bytes), pixels.shape,
          pixels.backwards, pixels.reversed};
}

template <class Offset>
KernelSpans<Offset> kernel_spans(const GatherPlan& plan, const KernelChoice& choice) {
  using Count = CountOf<Offset>;
  const Spans spans = spans_of(plan);
  const std::int64_t words = work_items(plan, choice) / spans.count;
  return {make_divisor(narrowed<Count>(words)), narrowed<Count>(spans.rows),
          spans.rows * plan.run_bytes, make_divisor(static_cast<std::uint64_t>(plan.run_bytes)),
          static_cast<int>(address_of(plan.out) % word_bytes)};
}

KernelConversion kernel_conversion(const GatherPlan& plan, const KernelChoice& choice) {
  const Conversion& numbers = *plan.conversion;
  const int to_bytes = static_cast<int>(plan.out_bytes(choice.vector_bytes));
  return {.numbers = numbers,
          .from_float8 = row_of(numbers.from).float8,
          .to_float8 = row_of(numbers.to).float8,
          .reversed_before = reversed_before(numbers),
          .reversed_after = reversed_after(numbers),
          .count = choice.vector_bytes / bytes_of(numbers.from),
          .from_bytes = choice.vector_bytes,
          .to_bytes = to_bytes,
          .aligned_source = source_alignment(plan) >= choice.vector_bytes,
          .store_bytes = std::min(output_alignment(plan), bytes_of(numbers.to)),
          .aligned_output = output_alignment(plan) >= to_bytes};
}

/// `forwards` reads forwards; `plan` is as it was.
template <class Offset>
KernelTiles<Offset> tiles_of(const GatherPlan& plan, const GatherPlan& forwards) {
  using Count = CountOf<Offset>;
  const TileShape shape = tile_shape(static_cast<int>(plan.run_bytes));
  const std::size_t source_axis = transpose_of(plan).source_axis;
  const PlanAxis& columns = forwards.axes[source_axis];
  const auto tiles = [&](std::int64_t extent) {
    return make_divisor(narrowed<Count>(ceil_divide(extent, shape.side)));
  };
  // The axes along which words lie do not tell where words begin.
  GatherPlan begins = forwards;
  begins.axes[source_axis].stride = 0;
  begins.axes.back().out_stride = 0;
  return {narrowed<Count>(plan.axes.back().extent),
          narrowed<Count>(columns.extent),
          tiles(plan.axes.back().extent),
          tiles(columns.extent),
          narrowed<Offset>(columns.out_stride / plan.run_bytes),
          source_alignment(begins) >= shape.word_bytes,
          output_alignment(begins) >= shape.word_bytes};
}

template <class Offset>
KernelIndices<Offset> indices_of(const PlanIndices& indices, int leaf, std::int64_t leaf_unit) {
  KernelIndices<Offset> result;
  result.data = address_of(indices.data);
  result.extent = indices.extent;
  result.modulus =
      make_divisor(static_cast<std::uint64_t>(std::max<std::int64_t>(indices.extent, 1)));
  result.stride = narrowed<Offset>(indices.level == leaf ? indices.stride / leaf_unit  //
                                                         : indices.stride);
  result.level = indices.level;
  result.bytes_each = indices.bytes_each;
  return result;
}

template <class Offset>
KernelScalars<Offset> scalars_of(const GatherPlan& plan, const GatherPlan& walked,
                                 const KernelChoice& choice, Address bad_index) {
  KernelScalars<Offset> scalars;
  scalars.leaf = address_of(walked.base) + static_cast<Address>(walked.origins.back());
  scalars.unit = plan.unit;
  scalars.leaf_unit = leaf_unit(plan, choice);
  scalars.out = address_of(walked.out);
  scalars.out_unit = output_unit(plan, choice);
  scalars.run_bytes = plan.run_bytes;
  scalars.bad_index = plan.mode == IndexMode::raise ? bad_index : 0;
  scalars.items = narrowed<CountOf<Offset>>(work_items(plan, choice));
  scalars.table_count = static_cast<int>(plan.tables.size());
  scalars.index_count = static_cast<int>(plan.indices.size());
  scalars.mode = plan.mode;
  scalars.row_vectors = make_divisor(narrowed<CountOf<Offset>>(vectors_in_row(plan, choice)));
  switch (choice.family) {
    case Family::lines:
      scalars.line = kernel_line<Offset>(plan, choice);
      break;
    case Family::pixels:
      scalars.pixels = kernel_pixels<Offset>(plan, choice);
      break;
    case Family::words:
      scalars.spans = kernel_spans<Offset>(plan, choice);
      scalars.out -= static_cast<Address>(scalars.spans.head);
      break;
    case Family::convert:
      scalars.conversion = kernel_conversion(plan, choice);
      break;
    case Family::tiles:
      scalars.tiles = tiles_of<Offset>(plan, walked);
      break;
    case Family::copy:
    case Family::elements:
    case Family::shifted:
      break;
  }
  return scalars;
}

}  // namespace

template <class Offset>
PlanParts<Offset> plan_parts(const GatherPlan& plan, const KernelChoice& choice,
                             Address bad_index) {
  using Count = CountOf<Offset>;
  const int leaf = static_cast<int>(plan.tables.size());
  const bool is_tiles = choice.family == Family::tiles;
  const GatherPlan walked =
      is_tiles ? reading_forwards(plan, transpose_of(plan).source_axis) : plan;

  PlanParts<Offset> parts;
  parts.scalars = scalars_of<Offset>(plan, walked, choice, bad_index);
  const std::size_t filling =
      choice.family == Family::words ? spans_of(plan).outer_axes : plan.axes.size();
  const std::vector<WalkAxis> walk = walk_of(plan, choice);
  for (const WalkAxis& part : walk) {
    const PlanAxis& axis = walked.axes[part.from];
    const std::int64_t stride =
        axis.level == leaf ? axis.stride / parts.scalars.leaf_unit : axis.stride;
    const std::int64_t out_stride =
        part.from < filling ? axis.out_stride / parts.scalars.out_unit : 0;
    parts.axes.push_back({make_divisor(narrowed<Count>(part.extent)),
                          narrowed<Offset>(stride * part.step),
                          narrowed<Offset>(out_stride * part.step), axis.level});
  }
  parts.scalars.axis_count = static_cast<int>(parts.axes.size());

  for (std::size_t level = 0; level < plan.tables.size(); ++level) {
    const int bytes_each = plan.tables[level].wide ? 8 : 4;
    parts.tables.push_back({address_of(plan.tables[level].data) +
                                static_cast<Address>(plan.origins[level] * bytes_each),
                            bytes_each});
  }
  for (const PlanIndices& indices : plan.indices) {
    parts.indices.push_back(indices_of<Offset>(indices, leaf, parts.scalars.leaf_unit));
    for (const WalkAxis& part : walk)
      parts.steps.push_back(narrowed<Offset>(indices.steps[part.from] * part.step));
  }
  return parts;
}

template <class Offset>
SmallPlan<Offset> small_plan(const PlanParts<Offset>& parts) {
  SmallPlan<Offset> plan{};
  static_cast<KernelScalars<Offset>&>(plan) = parts.scalars;
  std::ranges::copy(parts.axes, plan.axes);
  std::ranges::copy(parts.tables, plan.tables);
  std::ranges::copy(parts.indices, plan.indices);
  std::ranges::copy(parts.steps, plan.steps);
  return plan;
}

namespace {

/// Appends `list` to `lists`, which will lie at `at`; returns where the list will be.
template <class T>
const T* append(std::vector<std::byte>& lists, const std::vector<T>& list, std::byte* at) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 8 == 0);
  const std::size_t begin = lists.size();
  lists.resize(begin + list.size() * sizeof(T));
  if (!list.empty()) std::memcpy(lists.data() + begin, list.data(), list.size() * sizeof(T));
  return reinterpret_cast<const T*>(at + begin);
}

}  // namespace

std::size_t large_plan_bytes(const PlanParts<std::int64_t>& parts) {
  return std::span(parts.axes).size_bytes() + std::span(parts.tables).size_bytes() +
         std::span(parts.indices).size_bytes() + std::span(parts.steps).size_bytes();
}

LargePlan large_plan(const PlanParts<std::int64_t>& parts, std::byte* at,
                     std::vector<std::byte>& lists) {
  LargePlan plan{};
  static_cast<KernelScalars<std::int64_t>&>(plan) = parts.scalars;
  lists.clear();
  plan.axes = append(lists, parts.axes, at);
  plan.tables = append(lists, parts.tables, at);
  plan.indices = append(lists, parts.indices, at);
  plan.steps = append(lists, parts.steps, at);
  return plan;
}

template PlanParts<std::int32_t> plan_parts(const GatherPlan&, const KernelChoice&, Address);
template PlanParts<std::int64_t> plan_parts(const GatherPlan&, const KernelChoice&, Address);
template SmallPlan<std::int32_t> small_plan(const PlanParts<std::int32_t>&);
template SmallPlan<std::int64_t> small_plan(const PlanParts<std::int64_t>&);

}  // namespace multibuffer::cuda
