#include "cuda/plan/plan_facts.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <iterator>

namespace multibuffer::cuda {
namespace {

// Pixels of more items are assembled better by `words`, and pixels farther apart share no cache
// lines with their neighbours.
constexpr std::int64_t most_parts = 8;
constexpr std::int64_t most_pixel_stride = 128;

constexpr std::size_t no_axis = ~std::size_t{0};

std::uint64_t bits(std::int64_t value) { return static_cast<std::uint64_t>(value); }
std::uint64_t bits(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }
int alignment(std::uint64_t all) { return 1 << std::countr_zero(all | word_bytes); }

int vector_for(const CopyPlan& plan, int source, int output) {
  return std::min({source, output, alignment(bits(plan.run_bytes))});
}

Spans spans_of(const CopyPlan& plan) {
  Spans spans{1, plan.axes.size()};
  std::int64_t bytes = plan.run_bytes;
  while (spans.outer_axes > 0 && plan.axes[spans.outer_axes - 1].dense_stride == bytes) {
    const std::int64_t extent = plan.axes[--spans.outer_axes].extent;
    spans.rows *= extent;
    bytes *= extent;
  }
  return spans;
}

Transpose transpose_of(const CopyPlan& plan, int vector) {
  const bool whole_items = std::has_single_bit(bits(plan.run_bytes)) &&
                           plan.run_bytes <= word_bytes && vector == plan.run_bytes;
  if (plan.axes.size() < 2 || !whole_items || plan.axes.back().dense_stride != plan.run_bytes)
    return {};
  const int leaf = static_cast<int>(plan.indexed.tables.size());
  for (std::size_t axis = 0; axis + 1 < plan.axes.size(); ++axis)
    if (plan.axes[axis].level == leaf && std::abs(plan.axes[axis].stride) == plan.run_bytes &&
        !is_indexed(plan, axis))
      return {true, axis};
  return {};
}

StridedRows strided_rows_of(const CopyPlan& plan, int item) {
  if (plan.axes.empty() || plan.run_bytes >= word_bytes) return {};
  const std::size_t last = plan.axes.size() - 1;
  const PlanAxis& inner = plan.axes[last];
  if (!is_strided(plan, last) || inner.dense_stride != plan.run_bytes) return {};
  const std::int64_t parts = plan.run_bytes / item;
  StridedRows rows{inner.extent * parts, parts, inner.stride, item, last};
  if (parts == 1 && last > 0 && inner.extent <= most_parts) {
    // A short row is a pixel of the row that the axis before it makes.
    const PlanAxis& pixels = plan.axes[last - 1];
    const bool is_dense = pixels.dense_stride == inner.extent * inner.dense_stride;
    if (is_dense && is_strided(plan, last - 1) && std::abs(pixels.stride) <= most_pixel_stride)
      rows = {pixels.extent * inner.extent, inner.extent, pixels.stride, inner.stride, last - 1};
  }
  if (rows.parts > most_parts || (rows.parts > 1 && std::abs(rows.stride) > most_pixel_stride))
    return {};
  std::uint64_t begins = bits(plan.dense.base);
  for (std::size_t i = 0; i < rows.outer_axes; ++i) begins |= bits(plan.axes[i].dense_stride);
  rows.out_alignment = alignment(begins);
  return rows;
}

PixelRows pixel_rows_of(const StridedRows& rows, int item) {
  const std::int64_t bytes = rows.parts * item;
  const std::int64_t pitch = std::abs(rows.stride);
  // The order of bytes is reversed within a pixel: items of more bytes would be byte-swapped.
  const bool reversed = rows.parts > 1 && rows.part_stride < 0;
  const bool is_dense = rows.parts == 1 || rows.part_stride == (reversed ? -1 : item);
  if (rows.items == 0 || !is_dense || item > 2) return {};
  const auto* const found = std::ranges::find_if(pixel_shapes, [&](const PixelShape& shape) {
    return shape.bytes == bytes && shape.pitch == pitch;
  });
  if (found == std::end(pixel_shapes)) return {};
  return {static_cast<int>(found - pixel_shapes), rows.stride < 0, reversed};
}

}  // namespace

int source_alignment_without(const CopyPlan& plan, std::size_t axis, std::int64_t origin_shift) {
  const int leaf = static_cast<int>(plan.indexed.tables.size());
  std::uint64_t all =
      bits(plan.indexed.base) + bits(plan.indexed.origins.back()) + bits(origin_shift);
  if (leaf > 0) all |= bits(plan.indexed.unit);
  for (std::size_t i = 0; i < plan.axes.size(); ++i)
    if (i != axis && plan.axes[i].level == leaf) all |= bits(plan.axes[i].stride);
  for (const PlanIndices& indices : plan.indices)
    all |= indices.level == leaf ? bits(indices.stride) : 0;
  return alignment(all);
}

int output_alignment_without(const CopyPlan& plan, std::size_t axis, std::int64_t out_shift) {
  std::uint64_t all = bits(plan.dense.base) + bits(out_shift);
  for (std::size_t i = 0; i < plan.axes.size(); ++i)
    if (i != axis) all |= bits(plan.axes[i].dense_stride);
  return alignment(all);
}

int source_alignment(const CopyPlan& plan) { return source_alignment_without(plan, no_axis, 0); }

int output_alignment(const CopyPlan& plan) { return output_alignment_without(plan, no_axis, 0); }

int common_vector(const CopyPlan& plan) {
  return vector_for(plan, source_alignment(plan), output_alignment(plan));
}

PlanFacts::PlanFacts(const CopyPlan& gather)
    : plan(gather),
      leaf_level(static_cast<int>(gather.indexed.tables.size())),
      source_alignment(cuda::source_alignment(gather)),
      output_alignment(cuda::output_alignment(gather)),
      common_vector(vector_for(gather, source_alignment, output_alignment)),
      spans(spans_of(gather)) {
  if (plan.conversion) return;
  transpose = transpose_of(plan, common_vector);
  strided = strided_rows_of(plan, common_vector);
  pixels = pixel_rows_of(strided, common_vector);
}

}  // namespace multibuffer::cuda
