#pragma once

#include "cuda/kernels/choose_kernel.hpp"
#include "cuda/plan/plan_facts.hpp"
#include "tests/testing/random_array.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// Random gather plans with the memory behind them, and what they mean.
namespace multibuffer::testing {

using cuda::Address;
using cuda::any_levels;
using cuda::Family;
using cuda::KernelChoice;

inline Address address_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

template <class T>
inline constexpr T largest = std::numeric_limits<T>::max();
template <class T>
inline constexpr T smallest = std::numeric_limits<T>::min();

/// Bytes of which the first is aligned to 256.
class Block {
 public:
  explicit Block(std::int64_t bytes)
      : bytes_(bytes), storage_(static_cast<std::size_t>(bytes) + 256) {}
  std::byte* data() { return storage_.data() + (256 - address_of(storage_.data()) % 256) % 256; }
  std::int64_t bytes() const { return bytes_; }
  void fill(Random& random) { random.fill({data(), static_cast<std::size_t>(bytes_)}); }

 private:
  std::int64_t bytes_;
  std::vector<std::byte> storage_;
};

// A plan read as it is written: the comment at CopyPlan, word for word.
// --------------------------

struct Row {
  Address source = 0;
  std::int64_t out_offset = 0;
  std::int64_t place = 0;  ///< of the first number in the tables of a scaling
  std::vector<std::pair<int, std::int64_t>> bad;  ///< index arrays and positions out of range
};

inline std::int64_t index_value(const PlanIndices& indices, std::int64_t position) {
  return indices.bytes_each == 4 ? static_cast<const std::int32_t*>(indices.data)[position]
                                 : static_cast<const std::int64_t*>(indices.data)[position];
}

inline std::int64_t entry_of(const PlanTable& table, std::int64_t position) {
  return table.wide ? static_cast<const std::int64_t*>(table.data)[position]
                    : std::int64_t{static_cast<const std::uint32_t*>(table.data)[position]};
}

inline Row interpret(const CopyPlan& plan, const std::vector<std::int64_t>& index) {
  Row row;
  auto positions = plan.indexed.origins;
  for (std::size_t i = 0; i < plan.axes.size(); ++i) {
    positions[static_cast<std::size_t>(plan.axes[i].level)] += index[i] * plan.axes[i].stride;
    row.out_offset += index[i] * plan.axes[i].dense_stride;
    if (plan.scaling) row.place += index[i] * plan.scaling->steps[i];
  }
  if (plan.scaling) row.place += plan.scaling->first;
  for (std::size_t k = 0; k < plan.indices.size(); ++k) {
    const PlanIndices& indices = plan.indices[k];
    std::int64_t position = 0;
    for (std::size_t i = 0; i < plan.axes.size(); ++i) position += index[i] * indices.steps[i];
    const std::int64_t chosen =
        resolve_index(index_value(indices, position), indices.extent, plan.mode);
    if (chosen < 0) row.bad.emplace_back(static_cast<int>(k), position);
    positions[static_cast<std::size_t>(indices.level)] += chosen * indices.stride;
  }
  if (!row.bad.empty()) return row;
  std::int64_t position = positions[0];
  for (std::size_t level = 1; level <= plan.indexed.tables.size(); ++level)
    position = entry_of(plan.indexed.tables[level - 1], position) *
                   (level == plan.indexed.tables.size() ? plan.indexed.unit : 1) +
               positions[level];
  row.source = address_of(plan.indexed.base) + static_cast<Address>(position);
  return row;
}

template <class Visit>
void for_each_row(const CopyPlan& plan, Visit&& visit) {
  std::vector<std::int64_t> index(plan.axes.size(), 0);
  for (std::int64_t row = 0; row < plan.rows; ++row) {
    visit(interpret(plan, index));
    for (std::size_t i = plan.axes.size(); i-- > 0;) {
      if (++index[i] < plan.axes[i].extent) break;
      index[i] = 0;
    }
  }
}

// Random plans, and the memory behind them.
// --------------------------------------------------------

inline constexpr std::byte prefill{0xa5};

inline Format format_of(ScalarType scalar, bool foreign) {
  const bool swapped = foreign && bytes_of(scalar) > 1;
  return Format((swapped ? ">" : "") + std::string(row_of(scalar).format), bytes_of(scalar));
}

/// Converts a run of scalars, whose first has a place in the tables of a scaling, by the reference.
inline std::vector<std::byte> converted_run(const CopyPlan& plan, std::int64_t place,
                                            std::vector<std::byte> run) {
  const Conversion& conversion = *plan.conversion;
  const auto count = static_cast<std::int64_t>(run.size()) / bytes_of(conversion.from);
  std::optional<Scaling> scaling;
  if (plan.scaling) {
    scaling.emplace();
    for (std::int64_t k = 0; k < count; ++k) {
      const std::int64_t at = (place + k * plan.scaling->run_step) % plan.scaling->period;
      scaling->factors.push_back(plan.scaling->factors[at]);
      scaling->terms.push_back(plan.scaling->terms[at]);
    }
  }
  return reference::converted(
             {{count}, std::move(run)}, format_of(conversion.from, conversion.from_foreign),
             format_of(conversion.to, conversion.to_foreign),
             {.overflow = conversion.saturate ? Overflow::saturate : Overflow::wrap,
              .scaling = std::move(scaling)})
      .bytes;
}

/// Returns a number that is converted, from or to; complex ones are only results.
inline ScalarType random_scalar(Random& random, bool is_result) {
  while (true) {
    const ScalarRow& row = scalar_table[static_cast<std::size_t>(
        random.between(std::int64_t{0}, std::int64_t{scalar_table.size()} - 1))];
    const bool is_long = row.dlpack_code < 0;
    if (!is_long && (is_result || row.kind != ScalarKind::complex)) return row.scalar;
  }
}

struct Case {
  CopyPlan plan;
  std::vector<Block> tables;
  std::vector<Block> index_arrays;
  std::vector<Block> scaling_tables;  ///< two, where the plan scales
  std::vector<Block> leaves;          ///< one
  std::vector<Block> out;             ///< one, with a margin around what the plan writes
  std::int64_t alignment = 1;

  std::vector<std::byte> expected() {
    std::vector<std::byte> result(static_cast<std::size_t>(out[0].bytes()), prefill);
    const std::int64_t margin = plan.dense.base - out[0].data();
    for_each_row(plan, [&](const Row& row) {
      if (!row.bad.empty()) return;
      const auto* const source = reinterpret_cast<const std::byte*>(row.source);
      std::vector<std::byte> run(source, source + plan.run_bytes);
      if (plan.conversion) run = converted_run(plan, row.place, std::move(run));
      std::ranges::copy(run, result.data() + margin + row.out_offset);
    });
    return result;
  }
};

struct Size {
  int most_axes = 4;
  int most_levels = 2;
  int most_indices = 3;
  std::int64_t most_rows = 700;
  std::int64_t most_extent = 20;
  int in_place = 25;    ///< percent
  int transposes = 20;  ///< percent
  int conversions = 0;  ///< percent
  int scalings = 0;     ///< percent of conversions
  int lines = 0;        ///< percent, whose last one or two axes are lines of items
};

class CaseMaker {
 public:
  CaseMaker(Random& random, const Size& size) : random_(random), size_(size) {}

  Case make() {
    result_.alignment = std::int64_t{1} << between(0, 4);
    levels_ = between(0, size_.most_levels);
    transposes_ = random_.chance(size_.transposes);
    lines_ = random_.chance(size_.lines);
    if (lines_) {
      transposes_ = false;
      result_.alignment = random_.pick<std::int64_t>({1, 1, 2, 4, 8});
    }
    result_.plan.mode = random_.pick({IndexMode::raise, IndexMode::clip, IndexMode::wrap});
    result_.plan.run_bytes =
        result_.alignment * (transposes_ ? 1
                             : lines_    ? random_.pick<std::int64_t>({1, 1, 1, 1, 2, 3, 5})
                                      : random_.pick<std::int64_t>({1, 1, 1, 2, 3, 4, 5, 7, 8, 13,
                                                                    16, 31, 33, 64, 100, 300}));
    if (random_.chance(size_.conversions)) choose_conversion();
    lowest_.assign(static_cast<std::size_t>(levels_) + 1, 0);
    highest_ = lowest_;
    make_axes();
    make_indices();
    make_storage();
    make_scaling();
    return std::move(result_);
  }

 private:
  std::int64_t between(std::int64_t low, std::int64_t high) { return random_.between(low, high); }

  /// Runs of whole numbers, whatever they and the output are aligned to.
  void choose_conversion() {
    CopyPlan& plan = result_.plan;
    transposes_ = false;
    Conversion& conversion = plan.conversion.emplace();
    conversion.from = random_scalar(random_, false);
    conversion.to = random_scalar(random_, true);
    conversion.from_foreign = random_.chance(30);
    conversion.to_foreign = random_.chance(30);
    conversion.saturate = random_.chance(50);
    conversion.scaled = random_.chance(size_.scalings);
    if (conversion.scaled) {
      conversion.to = ScalarType::float32;
    } else if (conversion.from == conversion.to) {  // another order, then, where bytes have one
      conversion.to_foreign = !conversion.from_foreign;
      if (bytes_of(conversion.from) == 1) conversion.to = ScalarType::float32;
    }
    const std::int64_t count =
        random_.pick<std::int64_t>({1, 1, 1, 2, 3, 4, 8, 16, 24, 32, 100, 1000});
    plan.run_bytes = count * bytes_of(conversion.from);
    out_alignment_ = random_.chance(80) ? bytes_of(conversion.to) : 1;
  }

  /// Steps along the axes may be any, and lead around the period.
  void make_scaling() {
    CopyPlan& plan = result_.plan;
    if (!plan.conversion || !plan.conversion->scaled) return;
    PlanScaling& scaling = plan.scaling.emplace();
    scaling.period = random_.pick<std::int64_t>({1, 1, 2, 3, 3, 4, 7, 64, 511, 700});
    scaling.first = between(0, 3 * scaling.period);
    scaling.run_step = scaling.period == 1 ? 0 : between(0, 1);
    for (std::size_t i = 0; i < plan.axes.size(); ++i)
      scaling.steps.push_back(random_.chance(50) ? between(0, 1) : between(0, scaling.period - 1));
    for (int table = 0; table < 2; ++table) {
      const std::int64_t count = scaling.period + scaling_spare;
      Block& block = result_.scaling_tables.emplace_back(count * 4);
      auto* const numbers = reinterpret_cast<float*>(block.data());
      for (std::int64_t i = 0; i < count; ++i)
        numbers[i] = i < scaling.period ? some_float() : numbers[i - scaling.period];
    }
    // A Block's address changes when it moves; its bytes do not.
    scaling.factors = reinterpret_cast<const float*>(result_.scaling_tables[0].data());
    scaling.terms = reinterpret_cast<const float*>(result_.scaling_tables[1].data());
  }

  /// Returns a float of any size, or one that cancels or overflows more often than others.
  float some_float() {
    std::array<std::byte, 4> bytes;
    random_.fill(bytes);
    if (random_.chance(50)) return std::bit_cast<float>(bytes);
    return random_.pick({0.0F, -0.0F, 1.0F, -1.0F, 1 / 255.0F, -127.5F, 3e38F, 1e-45F,
                         std::numeric_limits<float>::infinity(),
                         std::numeric_limits<float>::quiet_NaN()});
  }

  /// A stride for `level`, whose positions count bytes at the leaves and entries elsewhere.
  std::int64_t stride_at(std::int64_t level) {
    const std::int64_t stride = between(-5, 5);
    return level == levels_ ? stride * result_.alignment : stride;
  }

  void reach(std::int64_t level, std::int64_t stride, std::int64_t extent) {
    const auto at = static_cast<std::size_t>(level);
    lowest_[at] += std::min<std::int64_t>(stride * (extent - 1), 0);
    highest_[at] += std::max<std::int64_t>(stride * (extent - 1), 0);
  }

  void make_axes() {
    CopyPlan& plan = result_.plan;
    plan.rows = 1;
    const std::int64_t count = between(0, size_.most_axes);
    const std::int64_t run_bytes = plan.dense_bytes(plan.run_bytes);
    const std::int64_t alignment = plan.conversion ? out_alignment_ : result_.alignment;
    const std::int64_t most_rows =
        std::max<std::int64_t>(8, 30000 / std::max(run_bytes, plan.run_bytes));
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t extent =
          random_.chance(50) ? between(1, 3) : between(1, count == 1 ? 700 : size_.most_extent);
      if (plan.rows * extent > std::min(most_rows, size_.most_rows)) continue;
      plan.rows *= extent;
      const std::int64_t level = between(0, levels_);
      plan.axes.push_back({extent, 0, static_cast<int>(level), stride_at(level)});
    }
    std::size_t dense_axes = 0;
    if (lines_) {
      const auto push = [&](std::int64_t extent, std::int64_t stride) {
        plan.rows *= extent;
        plan.axes.push_back({extent, 0, static_cast<int>(levels_), stride});
        ++dense_axes;
      };
      // Mostly items that lie close, and the parts of pixels.
      const std::int64_t one = random_.pick({plan.run_bytes, -plan.run_bytes});
      push(between(2, 100), random_.chance(60) ? one * between(1, 4) : stride_at(levels_));
      if (random_.chance(30)) push(between(2, 9), random_.chance(50) ? one : stride_at(levels_));
    }
    transposes_ = transposes_ && plan.axes.size() > 1;
    if (transposes_) {
      dense_axes = 1;
      columns_ =
          static_cast<std::size_t>(between(0, static_cast<std::int64_t>(plan.axes.size()) - 2));
      plan.axes[columns_].level = static_cast<int>(levels_);
      plan.axes[columns_].stride = random_.pick({plan.run_bytes, plan.run_bytes, -plan.run_bytes});
    }
    for (const PlanAxis& axis : plan.axes) reach(axis.level, axis.stride, axis.extent);
    std::int64_t out_stride = run_bytes;
    for (std::size_t i = plan.axes.size(); i-- > 0;) {
      const bool dense = i + dense_axes >= plan.axes.size();
      if (!dense && random_.chance(15)) out_stride += alignment * between(1, 3);
      if (!dense && random_.chance(lines_ ? 50 : 10)) out_stride = (out_stride + 15) / 16 * 16;
      plan.axes[i].dense_stride = out_stride;
      out_stride *= plan.axes[i].extent;
    }
    const std::int64_t margin = 16 * between(0, 3) + (random_.chance(20) ? alignment : 0);
    result_.out.emplace_back(margin + out_stride + 64);
    plan.dense.base = result_.out[0].data() + margin;
  }

  std::int64_t some_index(std::int64_t extent, bool narrow) {
    if (result_.plan.mode == IndexMode::raise) return between(-extent, extent - 1);
    if (random_.chance(10))
      return narrow ? random_.pick<std::int64_t>({smallest<std::int32_t>, largest<std::int32_t>})
                    : random_.pick({smallest<std::int64_t>, largest<std::int64_t>});
    return between(-3 * extent, 3 * extent);
  }

  void make_indices() {
    CopyPlan& plan = result_.plan;
    const std::int64_t count = between(0, size_.most_indices);
    for (std::int64_t k = 0; k < count; ++k) {
      PlanIndices indices;
      indices.bytes_each = random_.pick({4, 8});
      indices.extent = random_.pick<std::int64_t>({1, 2, 3, 7, 16, 20});
      indices.level = static_cast<int>(between(0, levels_));
      indices.stride = stride_at(indices.level);
      indices.axis = static_cast<int>(k);
      indices.steps.assign(plan.axes.size(), 0);
      std::int64_t values = 1;
      for (std::size_t i = plan.axes.size(); i-- > 0;) {
        if (random_.chance(30) || (transposes_ && i == columns_)) continue;
        indices.steps[i] = values;
        values *= plan.axes[i].extent;
      }
      indices.shape = {values};
      reach(indices.level, indices.stride, indices.extent);

      Block& block = result_.index_arrays.emplace_back(values * indices.bytes_each);
      for (std::int64_t i = 0; i < values; ++i) {
        const std::int64_t value = some_index(indices.extent, indices.bytes_each == 4);
        if (indices.bytes_each == 4)
          reinterpret_cast<std::int32_t*>(block.data())[i] = static_cast<std::int32_t>(value);
        else
          reinterpret_cast<std::int64_t*>(block.data())[i] = value;
      }
      indices.data = block.data();
      plan.indices.push_back(indices);
    }
  }

  /// Every table's entries are starts in what comes next, of which there are `starts`.
  void make_storage() {
    CopyPlan& plan = result_.plan;
    plan.indexed.unit = result_.alignment * random_.pick<std::int64_t>({1, 2, 4, 16});
    const bool in_place = random_.chance(size_.in_place);
    std::int64_t starts = 1;
    std::vector<std::int64_t> next_starts;
    for (std::int64_t level = 0; level < levels_; ++level) {
      const auto at = static_cast<std::size_t>(level);
      const std::int64_t margin = between(0, 3);
      plan.indexed.origins.push_back(margin - lowest_[at]);
      const std::int64_t entries = starts + plan.indexed.origins[at] + highest_[at];
      const bool absolute = in_place && level + 1 == levels_;
      const bool wide = absolute || random_.chance(50);
      Block& block = result_.tables.emplace_back(entries * (wide ? 8 : 4));
      starts = between(1, 40);
      next_starts.push_back(starts);
      plan.indexed.tables.push_back({block.data(), wide});
    }
    const std::int64_t leaf_margin = result_.alignment * between(0, 3);
    const auto leaf = static_cast<std::size_t>(levels_);
    plan.indexed.origins.push_back(leaf_margin - lowest_[leaf]);
    Block& leaves =
        result_.leaves.emplace_back((levels_ > 0 ? (starts - 1) * plan.indexed.unit : 0) +
                                    plan.indexed.origins[leaf] + highest_[leaf] + plan.run_bytes);
    leaves.fill(random_);
    plan.indexed.base = in_place ? nullptr : leaves.data();
    if (in_place && levels_ == 0)
      plan.indexed.origins[0] += static_cast<std::int64_t>(address_of(leaves.data()));
    fill_tables(next_starts, in_place ? static_cast<std::int64_t>(address_of(leaves.data())) : 0);
  }

  void fill_tables(const std::vector<std::int64_t>& starts, std::int64_t leaf_address) {
    CopyPlan& plan = result_.plan;
    for (std::size_t level = 0; level < plan.indexed.tables.size(); ++level) {
      const bool wide = plan.indexed.tables[level].wide;
      Block& block = result_.tables[level];
      const std::int64_t entries = block.bytes() / (wide ? 8 : 4);
      const std::int64_t base =
          level + 1 == plan.indexed.tables.size() ? leaf_address / plan.indexed.unit : 0;
      for (std::int64_t i = 0; i < entries; ++i) {
        const std::int64_t entry = base + between(0, starts[level] - 1);
        if (wide)
          reinterpret_cast<std::int64_t*>(block.data())[i] = entry;
        else
          reinterpret_cast<std::uint32_t*>(block.data())[i] = static_cast<std::uint32_t>(entry);
      }
      // A Block's address changes when it moves; its bytes do not.
      plan.indexed.tables[level].data = block.data();
    }
  }

  Random& random_;
  Size size_;
  Case result_;
  std::int64_t levels_ = 0;
  std::int64_t out_alignment_ = 1;  ///< of conversions
  bool transposes_ = false;
  bool lines_ = false;
  std::size_t columns_ = 0;           ///< the axis that is dense in the leaves, of transposes
  std::vector<std::int64_t> lowest_;  ///< of what is added to each level's origin
  std::vector<std::int64_t> highest_;
};

/// Returns any choice that is right for a plan, not only the one that is made.
inline KernelChoice random_choice(Random& random, const CopyPlan& plan) {
  const cuda::PlanFacts facts(plan);
  std::vector<Family> families;
  for (int family = static_cast<int>(Family::convert_scaled);
       family <= static_cast<int>(Family::elements); ++family)
    if (cuda::can_gather(facts, static_cast<Family>(family)))
      families.push_back(static_cast<Family>(family));
  const Family family =
      families[static_cast<std::size_t>(random.between(0, static_cast<int>(families.size()) - 1))];
  int vector_bytes = cuda::vector_bytes_of(facts, family);
  if (plan.conversion && random.chance(20)) vector_bytes = bytes_of(plan.conversion->from);
  if (family == Family::elements)
    while (vector_bytes > 1 && random.chance(30)) vector_bytes /= 2;
  KernelChoice choice = cuda::choice_of(facts, family, vector_bytes);
  if (random.chance(20)) choice.levels = any_levels;
  choice.wide = choice.wide || choice.levels == any_levels || random.chance(30);
  if (choice.wide && family != Family::elements) choice.levels = any_levels;
  return choice;
}

inline std::string describe(const CopyPlan& plan, const KernelChoice& choice) {
  std::string text = "family " + std::to_string(static_cast<int>(choice.family)) + ", vector " +
                     std::to_string(choice.vector_bytes) + ", wide " + std::to_string(choice.wide) +
                     ", levels " + std::to_string(choice.levels) + "; run " +
                     std::to_string(plan.run_bytes) + ", rows " + std::to_string(plan.rows) +
                     ", tables " + std::to_string(plan.indexed.tables.size()) + ", indices " +
                     std::to_string(plan.indices.size()) + ", axes";
  for (const PlanAxis& axis : plan.axes) text += " " + std::to_string(axis.extent);
  return text;
}

}  // namespace multibuffer::testing
