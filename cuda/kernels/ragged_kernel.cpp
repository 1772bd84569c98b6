#include "cuda/kernels/ragged_kernel.hpp"

#include <multibuffer/error.hpp>

#include "host/support/rounding.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <memory>

namespace multibuffer::cuda {
namespace {

Address address_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

KernelTable table_of(const PlanTable& table) {
  return {address_of(table.data), table.wide ? 8 : 4};
}

/// The largest power of two up to a word that divides `bytes`.
int vector_dividing(std::int64_t bytes) {
  const auto bits = static_cast<std::uint64_t>(bytes) | word_bytes;
  return static_cast<int>(bits & (~bits + 1));
}

/// Integers of a vector's size, which are copied. The size is all that matters.
ScalarType bits_of(int bytes) {
  switch (bytes) {
    case 16:
      return ScalarType::complex128;
    case 8:
      return ScalarType::uint64;
    case 4:
      return ScalarType::uint32;
    case 2:
      return ScalarType::uint16;
    default:
      return ScalarType::uint8;
  }
}

/// The scalars of `numbers`, and how many a vector has.
struct Parts {
  Conversion numbers;
  bool is_copied = false;  ///< as it is: not even byte-swapped, which equal types would say
  int count = 1;

  explicit Parts(const RaggedPlan& plan) {
    if (plan.conversion) {
      numbers = *plan.conversion;
    } else {
      is_copied = true;
      numbers.from = numbers.to = bits_of(vector_dividing(plan.run_bytes));
    }
    // Between gaps, each scalar has an address of its own.
    if (plan.is_contiguous())
      count = word_bytes / std::max(bytes_of(numbers.from), bytes_of(numbers.to));
  }
};

KernelConversion conversion_of(const Parts& parts, Address out) {
  const int from = bytes_of(parts.numbers.from), to = bytes_of(parts.numbers.to);
  const int alignment = vector_dividing(static_cast<std::int64_t>(out | word_bytes));
  return {.numbers = parts.numbers,
          .from_float8 = row_of(parts.numbers.from).float8,
          .to_float8 = row_of(parts.numbers.to).float8,
          .reversed_before = parts.is_copied ? 0 : reversed_before(parts.numbers),
          .reversed_after = parts.is_copied ? 0 : reversed_after(parts.numbers),
          .count = parts.count,
          .from_bytes = parts.count * from,
          .to_bytes = parts.count * to,
          .aligned_source = false,
          .store_bytes = std::min(alignment, to),
          .aligned_output = alignment >= parts.count * to};
}

/// Padding in a word whose first byte lies `head` bytes before a whole element.
Bytes16 fill_word_of(const SmallVector<std::byte, 16>& fill, int head) {
  std::byte bytes[word_bytes] = {};
  const auto period = static_cast<int>(fill.size());
  for (int i = 0; period > 0 && i < word_bytes; ++i)
    bytes[i] = fill[static_cast<std::size_t>(((i - head) % period + period) % period)];
  Bytes16 word;
  std::memcpy(&word, bytes, sizeof bytes);
  return word;
}

template <class Offset>
void set_ragged_side(KernelRagged<Offset>& kernel, const RaggedPlan& plan, Address entries) {
  using Count = CountOf<Offset>;
  kernel.base = address_of(plan.ragged.base) + static_cast<Address>(plan.ragged.origin);
  kernel.unit = plan.ragged.unit;
  kernel.starts = table_of(plan.ragged.starts);
  kernel.lengths = table_of(plan.ragged.lengths);
  kernel.entries = plan.indices ? entries : address_of(plan.rows.entries);
  kernel.first = plan.rows.first;
  kernel.step = plan.rows.step;
  kernel.rows = narrowed<Count>(plan.rows.count);
  kernel.item_stride = plan.ragged.item_stride;
  if (plan.is_contiguous()) return;
  const auto& axes = plan.ragged.axes;
  if (axes.size() > most_item_axes)
    throw Failure(Errc::invalid_argument,
                  text("items of ", axes.size(),
                       " axes with gaps between them; a CUDA device "
                       "copies rows of ",
                       most_item_axes, " at most: pack whole elements first"));
  kernel.axis_count = static_cast<int>(axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i)
    kernel.axes[i] = {make_divisor(narrowed<Count>(axes[i].extent)), axes[i].stride};
}

template <class Offset>
KernelRagged<Offset> kernel_of(const RaggedPlan& plan, RaggedBody body, Address entries,
                               Address fill) {
  using Count = CountOf<Offset>;
  KernelRagged<Offset> kernel;
  set_ragged_side(kernel, plan, entries);
  const Address out = address_of(plan.dense.base);
  const std::int64_t item_bytes = plan.dense_item_bytes();
  if (body == RaggedBody::words) {
    kernel.head = static_cast<int>(out % word_bytes);
    kernel.out = out - static_cast<Address>(kernel.head);
    kernel.parts = narrowed<Count>(plan.dense_bytes());
    kernel.items =
        narrowed<Count>(ceil_divide(kernel.head + plan.dense_bytes(), std::int64_t{word_bytes}));
  } else {
    const Parts parts(plan);
    kernel.out = out;
    kernel.conversion = conversion_of(parts, out);
    kernel.part_bytes = bytes_of(parts.numbers.from);
    kernel.dense_part_bytes = bytes_of(parts.numbers.to);
    kernel.run_parts = make_divisor(narrowed<Count>(plan.run_bytes / kernel.part_bytes));
    kernel.parts = narrowed<Count>(plan.dense_bytes() / kernel.dense_part_bytes);
    kernel.items = narrowed<Count>(
        ceil_divide(plan.dense_bytes() / kernel.dense_part_bytes, std::int64_t{parts.count}));
  }
  const std::int64_t item_parts = item_bytes / kernel.dense_part_bytes;
  kernel.item_parts = make_divisor(narrowed<Count>(item_parts));
  if (plan.packed) {
    kernel.offsets = {address_of(plan.packed->offsets), plan.packed->wide ? 8 : 4};
    return kernel;
  }
  kernel.length = plan.padded.length;
  kernel.before = plan.padded.before;
  kernel.keeps_end = plan.padded.keeps_end;
  kernel.row_parts = make_divisor(narrowed<Count>(plan.padded.length * item_parts));
  kernel.fill_word = fill_word_of(plan.padded.fill, kernel.head);
  kernel.fill = fill;
  if (fill != 0) kernel.fill_bytes = make_divisor(static_cast<Count>(plan.padded.fill.size()));
  return kernel;
}

}  // namespace

RaggedBody body_of(const RaggedPlan& plan) {
  if (plan.conversion && (is_float8(plan.conversion->from) || is_float8(plan.conversion->to)))
    return RaggedBody::float8;
  return plan.conversion || !plan.is_contiguous() ? RaggedBody::numbers : RaggedBody::words;
}

bool is_narrow(const RaggedPlan& plan) {
  // A turn of the last block may count a few thousand words too far.
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max() - (std::int64_t{1} << 20);
  return std::max(plan.dense_bytes(), plan.rows.count) <= most;
}

std::vector<std::byte> fill_pattern(const RaggedPlan& plan) {
  const auto& fill = plan.padded.fill;
  if (plan.packed || fill.empty() || word_bytes % fill.size() == 0) return {};
  // A word may begin with any of its bytes.
  std::vector<std::byte> pattern(fill.begin(), fill.end());
  while (pattern.size() < fill.size() + word_bytes)
    pattern.push_back(pattern[pattern.size() - fill.size()]);
  return pattern;
}

RaggedKernel ragged_kernel(const RaggedPlan& plan, Address entries, Address fill, bool wide) {
  RaggedKernel kernel;
  kernel.body = body_of(plan);
  if (!wide && is_narrow(plan))
    kernel.plan = kernel_of<std::int32_t>(plan, kernel.body, entries, fill);
  else
    kernel.plan = kernel_of<std::int64_t>(plan, kernel.body, entries, fill);
  return kernel;
}

RowIndices row_indices(const RaggedPlan& plan, Address entries, Address sums, Address bad_index) {
  const PlanIndices& indices = *plan.indices;
  return {.data = address_of(indices.data),
          .bytes_each = indices.bytes_each,
          .extent = indices.extent,
          .modulus = make_divisor(static_cast<std::uint64_t>(indices.extent)),
          .mode = plan.mode,
          .first = plan.rows.first,
          .step = plan.rows.step,
          .rows = plan.rows.count,
          .lengths = table_of(plan.ragged.lengths),
          .entries = entries,
          .sums = sums,
          .bad_index = bad_index};
}

RowOffsets row_offsets(const RaggedPlan& plan, Address sums, Address bad_index) {
  return {.sums = sums,
          .rows = plan.rows.count,
          .offsets = {address_of(plan.packed->offsets), plan.packed->wide ? 8 : 4},
          .room = plan.items,
          .bad_index = bad_index};
}

}  // namespace multibuffer::cuda
