#pragma once

#include "cuda/kernels/kernel_plan.hpp"
#include "host/backend/ragged_plan.hpp"

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

/// A `RaggedPlan` as kernels read it. The dense side is linear, and consecutive threads write
/// consecutive words or vectors of it, whatever rows these are of: long rows and short ones cost
/// alike. Two bodies do all:
///
///     body    | when                            | a thread produces | it reads
///     --------+---------------------------------+-------------------+--------------------------
///     words   | rows are copied as they are     | 16-byte words     | the rows in it, or padding
///     numbers | scalars are converted, or items | vectors of parts  | as many parts
///             | have gaps (fields of structs)   |                   |
///
/// The dense side is counted in *parts*: bytes for `words`, for `numbers` scalars or, of items with
/// gaps that are not converted, vectors of the size that divides their runs.
namespace multibuffer::cuda {

/// An item with gaps has so many axes at most; those that continue each other are one.
inline constexpr std::size_t most_item_axes = 6;

enum class RaggedBody { words, numbers, float8 };
RaggedBody body_of(const RaggedPlan& plan);
/// Tells whether 32 bits count what a plan writes.
bool is_narrow(const RaggedPlan& plan);

template <class Offset>
struct KernelItemAxis {
  Divisor<CountOf<Offset>> extent;
  std::int64_t stride = 0;  ///< bytes
};

/// `Offset` counts parts of the dense side, its bytes, and rows.
template <class Offset_>
struct KernelRagged {
  using Offset = Offset_;
  using Count = CountOf<Offset>;

  // The ragged side.
  Address base = 0;  ///< with the origin
  std::int64_t unit = 1;
  KernelTable starts;
  KernelTable lengths;
  Address entries = 0;  ///< of rows, 64 bits each and -1 where there is none; 0: first + row * step
  std::int64_t first = 0;
  std::int64_t step = 1;
  Count rows = 0;
  int part_bytes = 1;
  std::int64_t item_stride = 0;
  int axis_count = -1;  ///< of an item with gaps; -1 where there are none
  Divisor<Count> run_parts;
  KernelItemAxis<Offset> axes[most_item_axes];

  // The dense side.
  Address out = 0;
  KernelTable offsets;  ///< in items; without an address, the side is padded
  Divisor<Count> item_parts;
  Divisor<Count> row_parts;  ///< of a padded row
  std::int64_t length = 0;   ///< likewise, in items
  bool before = false;
  bool keeps_end = false;
  Count parts = 0;
  int dense_part_bytes = 1;
  Bytes16 fill_word;          ///< padding as it lies in every word or vector
  Address fill = 0;           ///< padding of another period, repeated; then `fill_word` is not used
  Divisor<Count> fill_bytes;  ///< its period
  int head = 0;               ///< of `words`: bytes of the first word that lie before the side
  Count items = 0;            ///< words or vectors
  KernelConversion conversion;  ///< of `numbers`
};

struct RaggedKernel {
  RaggedBody body = RaggedBody::words;
  std::variant<KernelRagged<std::int32_t>, KernelRagged<std::int64_t>> plan;
};

/// The padding of a plan as it must lie in the device's memory; empty where the kernel's parameters
/// hold it.
std::vector<std::byte> fill_pattern(const RaggedPlan& plan);

/// Chooses the kernel of a plan that has bytes to write. `entries` are those that were looked up by
/// `RowIndices`, or 0; `fill` is where `fill_pattern` lies. Throws `invalid_argument` for items of
/// more than `most_item_axes` axes with gaps. `wide`: in 64 bits, also where 32 would do.
RaggedKernel ragged_kernel(const RaggedPlan& plan, Address entries, Address fill,
                           bool wide = false);

/// Looks up the rows that indices on the device select.
struct RowIndices {
  Address data = 0;
  int bytes_each = 8;
  std::int64_t extent = 0;
  Divisor<std::uint64_t> modulus;  ///< division by the extent
  IndexMode mode = IndexMode::raise;
  std::int64_t first = 0;  ///< the entry of a row is first + row * step
  std::int64_t step = 1;
  std::int64_t rows = 0;
  KernelTable lengths;
  Address entries = 0;    ///< where they go: 64 bits each, -1 for a bad index
  Address sums = 0;       ///< where the rows' lengths go, 64 bits each, 0 for a bad index; or 0
  Address bad_index = 0;  ///< see KernelScalars
};

/// Writes offsets from the sums of lengths: as many as there are rows, and one.
struct RowOffsets {
  Address sums = 0;
  std::int64_t rows = 0;
  KernelTable offsets;
  std::int64_t room = 0;  ///< items that there is room for
  Address bad_index = 0;  ///< gets `too_many_items` if there are more
};

/// Reports that the rows have more items than there is room for. Any bad index comes before it.
constexpr BadIndex too_many_items(std::int64_t items) { return {1, items}; }

RowIndices row_indices(const RaggedPlan& plan, Address entries, Address sums, Address bad_index);
RowOffsets row_offsets(const RaggedPlan& plan, Address sums, Address bad_index);

}  // namespace multibuffer::cuda
