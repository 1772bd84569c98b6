#include "host/cpu/ragged_copy.hpp"

#include "host/bytes/nontemporal_copy.hpp"
#include "host/bytes/nontemporal_writer.hpp"
#include "host/bytes/short_copy.hpp"
#include "host/bytes/simd.hpp"
#include "host/bytes/wide_copy.hpp"
#include "host/cpu/host_gather.hpp"
#include "host/cpu/ragged_walk.hpp"
#include "host/support/text.hpp"
#include "host/support/threshold.hpp"

#include <algorithm>
#include <cstring>

namespace multibuffer {
namespace {

constexpr auto vector = static_cast<std::int64_t>(vector_bytes);

/// From this size on, the C library's memcpy is faster.
constexpr std::int64_t large_row_bytes = 2048;

/// The mean size of a dense row from which on non-temporal stores pay, where the result is large.
/// On an AMD EPYC (Zen 5) they took 1.6 times as long at 1 KiB, where lines are collected in a
/// buffer, 1.2 times at 4 KiB, and 0.9 times at 1 MiB.
constexpr Threshold least_nontemporal_row{std::int64_t{16} << 10, 1};

/// Bytes of padding that are copied at a time: they lie in the first cache.
constexpr Threshold fill_bytes{4096, 1};

/// Appends rows of any size to a dense result. Rows of a few bytes must not cost a call each.
template <class Moves>
class PlainSink {
 public:
  explicit PlainSink(std::byte* to) : to_(to) {}
  void append(const std::byte* from, std::int64_t bytes) {
    if (bytes <= vector)
      copy_short(to_, from, bytes);
    else if (bytes <= 2 * vector)
      copy_ends<vector_bytes>(to_, from, bytes);
    else if (bytes <= 4 * vector)
      copy_ends<2 * vector_bytes>(to_, from, bytes);
    else if (bytes < large_row_bytes)
      Moves::copy(to_, from, bytes);
    else
      std::memcpy(to_, from, static_cast<std::size_t>(bytes));
    to_ += bytes;
  }
  void finish() {}

 private:
  std::byte* to_;
};

template <class Moves>
class NontemporalSink {
 public:
  explicit NontemporalSink(std::byte* to) : writer_(to) {}
  void append(const std::byte* from, std::int64_t bytes) {
    if (bytes < vector)
      writer_.append_short(from, bytes);
    else
      writer_.append(from, bytes);
  }
  void finish() {
    writer_.finish();
    nontemporal_fence();
  }

 private:
  NontemporalWriter<Moves> writer_;
};

/// Appends padding, from its byte `first` in a row on.
template <class Sink>
void append_fill(Sink& sink, const std::vector<std::byte>& fill, std::int64_t element,
                 std::int64_t first, std::int64_t bytes) {
  const auto all = static_cast<std::int64_t>(fill.size());
  std::int64_t phase = first % element;
  while (bytes > 0) {
    const std::int64_t piece = std::min(bytes, all - phase);
    sink.append(fill.data() + phase, piece);
    bytes -= piece;
    phase = 0;
  }
}

/// Parts are bytes. Rows that continue each other in the source are one.
template <class Sink>
class CopyRows {
 public:
  CopyRows(std::byte* to, const std::vector<std::byte>& fill, std::int64_t element)
      : sink_(to), fill_(fill), element_(element) {}
  void row(const std::byte* start, std::int64_t first, std::int64_t bytes) {
    const std::byte* const from = start + first;
    if (from != from_ + bytes_) {
      flush();
      from_ = from;
    }
    bytes_ += bytes;
  }
  void padding(std::int64_t first, std::int64_t bytes) {
    flush();
    append_fill(sink_, fill_, element_, first, bytes);
  }
  void finish() {
    flush();
    sink_.finish();
  }

 private:
  void flush() {
    if (bytes_ > 0) sink_.append(from_, bytes_);
    bytes_ = 0;
  }

  Sink sink_;
  const std::vector<std::byte>& fill_;
  std::int64_t element_;
  const std::byte* from_ = nullptr;
  std::int64_t bytes_ = 0;
};

/// Parts are numbers. Those of short rows are collected, since a conversion costs some 40 ns to
/// begin.
class ConvertRows {
 public:
  ConvertRows(const ConvertItems& convert, std::byte* to, const std::vector<std::byte>& fill,
              std::int64_t element)
      : convert_(convert), to_(to), fill_(fill), element_(element) {}
  void row(const std::byte* start, std::int64_t first, std::int64_t count) {
    const std::byte* const from = start + first * convert_.from_bytes();
    const std::int64_t bytes = count * convert_.from_bytes();
    if (bytes >= std::min(short_row_bytes, most_collected_)) {
      finish();
      write(from, count);
    } else {
      if (collected_ + bytes > most_collected_) finish();
      PlainSink<NarrowMoves>(block_ + collected_).append(from, bytes);
      collected_ += bytes;
    }
  }
  void padding(std::int64_t first, std::int64_t count) {
    finish();
    const std::int64_t bytes = count * convert_.to_bytes();
    PlainSink<NarrowMoves> sink(to_);
    append_fill(sink, fill_, element_, first * convert_.to_bytes(), bytes);
    to_ += bytes;
  }
  void finish() {
    if (collected_ > 0) write(block_, collected_ / convert_.from_bytes());
    collected_ = 0;
  }

 private:
  static constexpr std::int64_t short_row_bytes = 1024;
  static constexpr std::int64_t block_bytes = 4 * short_row_bytes;

  void write(const std::byte* from, std::int64_t count) {
    convert_(to_, from, count);
    to_ += count * convert_.to_bytes();
  }

  const ConvertItems& convert_;
  std::byte* to_;
  const std::vector<std::byte>& fill_;
  std::int64_t element_;
  const std::int64_t most_collected_ = Threshold{block_bytes, 64};  ///< bytes
  std::int64_t collected_ = 0;                                      ///< bytes
  alignas(cache_line_bytes) std::byte block_[static_cast<std::size_t>(block_bytes)];
};

/// Parts are runs. A row is a gather of its own.
class GatherRows {
 public:
  GatherRows(const RaggedPlan& plan, std::byte* to, const std::vector<std::byte>& fill)
      : plan_(plan), runs_(plan.item_runs()), to_(to), fill_(fill) {}
  void row(const std::byte* start, std::int64_t first, std::int64_t count) {
    // Whole items around these runs.
    const std::int64_t item = first / runs_, end = (first + count - 1) / runs_ + 1;
    CopyPlan plan;
    plan.indexed.base = start + item * plan_.ragged.item_stride;
    plan.indexed.origins = {0};
    plan.dense.base = to_ - (first - item * runs_) * plan_.dense_run_bytes();
    plan.run_bytes = plan_.run_bytes;
    plan.conversion = plan_.conversion;
    std::int64_t dense_stride = plan_.dense_item_bytes();
    plan.axes.push_back({end - item, dense_stride, 0, plan_.ragged.item_stride});
    for (const ItemAxis& axis : plan_.ragged.axes) {
      dense_stride /= axis.extent;
      plan.axes.push_back({axis.extent, dense_stride, 0, axis.stride});
    }
    simplify(plan);
    host_gather(plan, first - item * runs_, first - item * runs_ + count, false);
    to_ += count * plan_.dense_run_bytes();
  }
  void padding(std::int64_t first, std::int64_t count) {
    const std::int64_t each = plan_.dense_run_bytes();
    PlainSink<NarrowMoves> sink(to_);
    append_fill(sink, fill_, std::ssize(plan_.padded.fill), first * each, count * each);
    to_ += count * each;
  }

 private:
  const RaggedPlan& plan_;
  std::int64_t runs_;
  std::byte* to_;
  const std::vector<std::byte>& fill_;
};

/// Repeats an element of padding; whole elements alone, so that the next copy begins with one.
std::vector<std::byte> repeated(const SmallVector<std::byte, 16>& element) {
  std::vector<std::byte> fill;
  if (element.empty()) return fill;
  do fill.insert(fill.end(), element.begin(), element.end());
  while (std::ssize(fill) < fill_bytes);
  return fill;
}

}  // namespace

RaggedWay choose_way(const RaggedPlan& plan) {
  if (!plan.is_contiguous()) return RaggedWay::gather;
  if (plan.conversion) return RaggedWay::convert;
  const bool nontemporal = worth_nontemporal(plan.dense_bytes()) &&
                           plan.dense_bytes() / plan.rows.count >= least_nontemporal_row;
  return nontemporal ? RaggedWay::nontemporal : RaggedWay::copy;
}

const char* name_of(RaggedWay way) {
  switch (way) {
    case RaggedWay::gather:
      return "gather";
    case RaggedWay::convert:
      return "convert";
    case RaggedWay::nontemporal:
      return "nontemporal";
    case RaggedWay::copy:
      return "copy";
  }
  return "";
}

std::string needs_of(RaggedWay way) {
  switch (way) {
    case RaggedWay::gather:
      return "items with gaps between their elements: each row is a gather of its own";
    case RaggedWay::convert:
      return "elements that are converted: those of short rows are collected, and converted at "
             "once";
    case RaggedWay::nontemporal:
      return text("a result too large for the caches, and rows of ",
                  std::int64_t{least_nontemporal_row},
                  " bytes or more on average: they are written by non-temporal stores");
    case RaggedWay::copy:
      return "nothing: row after row, those that continue each other in the source at once";
  }
  return "";
}

RaggedCopy::RaggedCopy(const RaggedPlan& plan) : plan_(plan), way_(choose_way(plan)) {
  if (plan.conversion) convert_.emplace(*plan.conversion);
  if (!plan.is_contiguous()) {
    item_parts_ = plan.item_runs();
    part_bytes_ = plan.dense_run_bytes();
  } else if (convert_) {
    item_parts_ = plan.run_bytes / convert_->from_bytes();
    part_bytes_ = convert_->to_bytes();
  } else {
    item_parts_ = plan.run_bytes;
  }
  if (!plan.packed) fill_ = repeated(plan.padded.fill);
}

template <class Visit>
void RaggedCopy::walk(std::int64_t begin, std::int64_t end, Visit& visit) const {
  if (plan_.packed)
    walk_packed(plan_, item_parts_, begin, end, visit);
  else
    walk_padded(plan_, item_parts_, begin, end, visit);
}

template <class Sink>
void RaggedCopy::copy_into(std::int64_t begin, std::int64_t end) const {
  CopyRows<Sink> rows(plan_.dense.base + begin, fill_, std::ssize(plan_.padded.fill));
  walk(begin, end, rows);
  rows.finish();
}
MULTIBUFFER_WIDE void RaggedCopy::copy_wide(std::int64_t begin, std::int64_t end) const {
  copy_into<PlainSink<WideMoves>>(begin, end);
}
MULTIBUFFER_WIDE void RaggedCopy::write_wide(std::int64_t begin, std::int64_t end) const {
  copy_into<NontemporalSink<WideMoves>>(begin, end);
}

void RaggedCopy::operator()(std::int64_t begin, std::int64_t end) const {
  std::byte* const to = plan_.dense.base + begin * part_bytes_;
  switch (way_) {
    case RaggedWay::gather: {
      GatherRows rows(plan_, to, fill_);
      return walk(begin, end, rows);
    }
    case RaggedWay::convert: {
      ConvertRows rows(*convert_, to, fill_, std::ssize(plan_.padded.fill));
      walk(begin, end, rows);
      return rows.finish();
    }
    case RaggedWay::nontemporal:
      return has_wide_vectors() ? write_wide(begin, end)
                                : copy_into<NontemporalSink<NarrowMoves>>(begin, end);
    case RaggedWay::copy:
      return has_wide_vectors() ? copy_wide(begin, end)
                                : copy_into<PlainSink<NarrowMoves>>(begin, end);
  }
}

}  // namespace multibuffer
