#include "host/ragged/ragged_explanation.hpp"

#include "host/gather/plan_explanation.hpp"
#include "host/ragged/ragged_storage.hpp"
#include "host/support/rounding.hpp"
#include "host/upload/internals.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <utility>
#include <vector>

namespace multibuffer {
namespace {

/// What a plan reads of the rows.
struct RowsRead {
  std::int64_t rows = 0;  ///< that have items
  std::int64_t items = 0;
  bool differ = false;  ///< in how many items are read of each
  /// What memory reads where a row is one run: whole granules, of rows that continue each other as
  /// of one.
  std::int64_t fetched = 0;
};

class RowsCounter {
 public:
  RowsCounter(const RaggedPlan& plan, const RaggedStorage& storage, std::int64_t granule)
      : plan_(plan), storage_(storage), granule_(granule) {}

  void add(std::int64_t entry) {
    std::int64_t items = entry_of(storage_.host_lengths, entry);
    PaddedItems read{.count = items};
    if (!plan_.packed)
      read = padded_items(items, plan_.padded.length, plan_.padded.before, plan_.padded.keeps_end);
    if (read.count == 0) return;
    read_.differ = read_.differ || (read_.rows > 0 && read.count != last_count_);
    last_count_ = read.count;
    ++read_.rows;
    read_.items += read.count;
    const std::int64_t begin =
        entry_of(storage_.host_starts, entry) * plan_.ragged.unit + read.first * item_stride();
    if (begin != end_) flush();
    end_ = begin + read.count * item_stride();
    run_ += read.count * item_stride();
  }

  RowsRead take() {
    flush();
    return read_;
  }

 private:
  std::int64_t item_stride() const { return plan_.ragged.item_stride; }
  void flush() {
    read_.fetched += ceil_divide(run_, granule_) * granule_;
    run_ = 0;
  }

  const RaggedPlan& plan_;
  const RaggedStorage& storage_;
  std::int64_t granule_;
  RowsRead read_;
  std::int64_t last_count_ = 0;
  std::int64_t run_ = 0;  ///< bytes of rows that continue each other
  std::int64_t end_ = 0;  ///< of these
};

std::vector<std::int64_t> fetched_entries(const PlanRows& rows, Backend& backend, Memory* block) {
  std::vector<std::int64_t> entries(static_cast<std::size_t>(rows.count));
  backend.read(entries.data(), block, reinterpret_cast<const std::byte*>(rows.entries),
               rows.count * static_cast<std::int64_t>(sizeof(std::int64_t)));
  return entries;
}

RowsRead rows_read(const RaggedPlan& plan, const RaggedArray& array, Backend& backend,
                   Memory* block, std::int64_t granule) {
  RowsCounter counter(plan, storage_of(array), granule);
  if (plan.rows.entries) {
    for (const std::int64_t entry : fetched_entries(plan.rows, backend, block)) counter.add(entry);
    return counter.take();
  }
  const RowEntries view = entries_of(array);
  for (std::int64_t row = 0; row < view.count; ++row) counter.add(view.first + row * view.step);
  RowsRead all = counter.take();
  if (!plan.indices || view.count == 0) return all;
  // As many rows as there are indices, each like the average of those that may be named.
  const auto scaled = [&](std::int64_t amount) {
    return static_cast<std::int64_t>(static_cast<double>(amount) / static_cast<double>(view.count) *
                                     static_cast<double>(plan.rows.count));
  };
  return {scaled(all.rows), scaled(all.items), all.differ, scaled(all.fetched)};
}

/// Where items have gaps, each run is fetched by itself, but for those that lie close to each
/// other.
std::int64_t fetched_by_runs(const RaggedPlan& plan, std::int64_t runs, std::int64_t granule) {
  const std::int64_t stride =
      std::abs(plan.ragged.axes.empty() ? plan.ragged.item_stride : plan.ragged.axes.back().stride);
  const std::int64_t each = ceil_divide(plan.run_bytes, granule) * granule;
  return std::clamp(stride, plan.run_bytes, each) * runs;
}

}  // namespace

PlanExplanation explain_plan(const RaggedPlan& plan, const RaggedArray& array, Memory* entries) {
  Backend& backend = backend_of(array.device());
  if (plan.dense_bytes() == 0) return explain_nothing(backend);
  PlanDescription description = backend.describe(plan);
  const std::int64_t granule = description.granule;
  PlanExplanation explanation = explained(std::move(description), backend);
  const RowsRead read = rows_read(plan, array, backend, entries, granule);
  if (plan.indices)
    explanation.facts.push_back(
        {"rows", "named on the device: assumed to be as long as the array's are on average"});

  const std::int64_t runs = read.items * plan.item_runs();
  explanation.bytes_read = runs * plan.run_bytes;
  explanation.bytes_written =
      plan.packed && plan.indices ? read.items * plan.dense_item_bytes() : plan.dense_bytes();
  if (plan.is_contiguous()) {
    explanation.rows = read.rows;
    explanation.run_bytes = read.rows == 0 ? 0 : explanation.bytes_read / read.rows;
    explanation.differ = read.differ;
    explanation.bytes_fetched = read.fetched;
  } else {
    explanation.rows = runs;
    explanation.run_bytes = plan.run_bytes;
    explanation.bytes_fetched = fetched_by_runs(plan, runs, granule);
  }
  const auto width = [](bool wide) { return wide ? 8 : 4; };
  explanation.bytes_of_tables =
      plan.rows.count * (width(plan.ragged.starts.wide) + width(plan.ragged.lengths.wide));
  if (plan.packed) explanation.bytes_of_tables += (plan.rows.count + 1) * width(plan.packed->wide);
  if (plan.rows.entries) explanation.bytes_of_indices = plan.rows.count * width(true);
  if (plan.indices) explanation.bytes_of_indices = plan.rows.count * plan.indices->bytes_each;
  explanation.expected = expected_of(explanation);
  return explanation;
}

}  // namespace multibuffer
