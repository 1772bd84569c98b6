#pragma once

#include "cuda/kernels/kernel_family.hpp"

#include <algorithm>
#include <memory>

namespace multibuffer::cuda {

/// Rows are read along the axis that is dense in the leaves, and columns are written.
template <class Offset>
struct KernelTiles {
  CountOf<Offset> rows = 0;
  CountOf<Offset> columns = 0;
  Divisor<CountOf<Offset>> along_rows;     ///< tiles along the rows' axis
  Divisor<CountOf<Offset>> along_columns;  ///< tiles along the columns' axis
  Offset column_out_stride = 0;
  bool reads_words = false;   ///< every row is aligned to the words of a tile
  bool writes_words = false;  ///< every column is
};

/// Transposes through shared memory. The axes of the kernel count tiles, and the rows of a tile are
/// one more axis, the innermost. A block's threads wait for each other, so the body is in three
/// parts: see tiles_body.hpp.
struct Tiles : KernelFamily {
  static constexpr Family family = Family::tiles;
  static constexpr const char* name = "tiles";
  static constexpr const char* needs =
      "a transpose of at least 16 rows and 32 bytes: reads are dense along another axis than "
      "writes";
  static constexpr bool by_item_size = true;
  static constexpr int blocks(bool wide, bool /*large*/) { return wide ? 6 : 10; }

  static bool can_gather(const PlanFacts& facts) { return facts.transpose.possible; }
  static bool pays(const PlanFacts& facts) {
    const PlanAxis& rows = facts.plan.axes.back();
    return rows.stride != 0 && rows.extent >= least_rows &&
           columns_of(facts).extent * facts.plan.run_bytes >= least_bytes;
  }

  static Work work(const PlanFacts& facts, int vector_bytes) {
    const std::int64_t side = tile_shape(vector_bytes).side;
    const std::int64_t rows = facts.plan.axes.back().extent;
    const std::int64_t columns = columns_of(facts).extent;
    Work work = KernelFamily::work(facts, vector_bytes);
    work.items =
        facts.plan.rows / (rows * columns) * ceil_divide(rows, side) * ceil_divide(columns, side);
    work.axes = facts.plan.axes.size() + 1;
    work.step = side;
    return work;
  }

  static std::int64_t items_per_turn(int vector_bytes, int /*threads*/) {
    return tile_shape(vector_bytes).per_turn;
  }

  /// Where the leaves' dense axis runs backwards, it is walked from its other end, on both sides.
  static Walk walk(const PlanFacts& facts, const Work& work) {
    const std::size_t rows = facts.plan.axes.size() - 1;
    const std::size_t columns = facts.transpose.source_axis;
    const auto walked = [&](std::size_t i, std::int64_t step) -> WalkAxis {
      const PlanAxis& axis = facts.plan.axes[i];
      return {ceil_divide(axis.extent, step), axis.stride, axis.dense_stride, axis.level, i, step};
    };
    Walk walk;
    for (std::size_t i = 0; i < rows; ++i)
      if (i != columns) walk.axes.push_back(walked(i, 1));
    WalkAxis along_columns = walked(columns, work.step);
    if (along_columns.stride < 0) {
      const std::int64_t last = columns_of(facts).extent - 1;
      walk.leaf_shift = along_columns.stride * last;
      walk.out_shift = along_columns.out_stride * last;
      along_columns.stride = -along_columns.stride;
      along_columns.out_stride = -along_columns.out_stride;
    }
    walk.axes.push_back(along_columns);
    walk.axes.push_back(walked(rows, work.step));
    WalkAxis within = walked(rows, 1);
    within.extent = work.step;
    walk.axes.push_back(within);
    return walk;
  }

  template <class Scalars>
  static void set_parameters(const PlanFacts& facts, int vector_bytes, const Work& work,
                             Scalars& scalars) {
    using Offset = typename Scalars::Offset;
    using Count = CountOf<Offset>;
    const PlanAxis& rows = facts.plan.axes.back();
    const PlanAxis& columns = columns_of(facts);
    const std::int64_t direction = columns.stride < 0 ? -1 : 1;
    const std::int64_t last = direction < 0 ? columns.extent - 1 : 0;
    const auto tiles = [&](std::int64_t extent) {
      return make_divisor(narrowed<Count>(ceil_divide(extent, work.step)));
    };
    // The axes along which words lie do not tell where words begin.
    const int word = tile_shape(vector_bytes).word_bytes;
    const int source =
        source_alignment_without(facts.plan, facts.transpose.source_axis, columns.stride * last);
    const int output = output_alignment_without(facts.plan, facts.plan.axes.size() - 1,
                                                columns.dense_stride * last);
    std::construct_at(&scalars.own.tiles,
                      KernelTiles<Offset>{
                          narrowed<Count>(rows.extent), narrowed<Count>(columns.extent),
                          tiles(rows.extent), tiles(columns.extent),
                          narrowed<Offset>(direction * columns.dense_stride / facts.plan.run_bytes),
                          source >= word, output >= word});
  }

 private:
  // Below this, along either axis, reading a column leaves its cache lines for the next columns.
  static constexpr std::int64_t least_bytes = 32;
  static constexpr std::int64_t least_rows = 16;
  static_assert(least_bytes == 32 && least_rows == 16, "`needs` says so");

  static const PlanAxis& columns_of(const PlanFacts& facts) {
    return facts.plan.axes[facts.transpose.source_axis];
  }
};

}  // namespace multibuffer::cuda
