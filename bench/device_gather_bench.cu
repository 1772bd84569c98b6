// Gathers on a GPU, next to what others do with the same rows: device memory in, device memory out,
// time by events. `of_limit` is the fraction of what a copy on this device reaches in this run, by
// the formula in traffic.hpp. Every result's bits are checked before it is timed, and after.

#include <multibuffer/cuda/stream.hpp>
#include <multibuffer/multibuffer.hpp>

#include "bench/device_timing.hpp"
#include "bench/scattered.hpp"
#include "bench/traffic.hpp"

#include <benchmark/benchmark.h>
#include <thrust/device_ptr.h>
#include <thrust/equal.h>
#include <thrust/execution_policy.h>
#include <thrust/gather.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <cub/device/device_memcpy.cuh>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace multibuffer::bench {
namespace {

constexpr std::int64_t in_l2 = std::int64_t{16} << 20;
constexpr std::int64_t beyond_l2 = std::int64_t{1} << 30;
/// Rows this short are many; a quarter of the memory is beyond every L2, too.
constexpr std::int64_t short_row = 16;
constexpr std::int64_t most_offset = 64;
constexpr int samples = 11;

/// Returns the row that each pointer leads to. `count` is a power of two.
std::vector<std::int32_t> order_of(const std::string& name, std::int64_t count) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(count));
  on_all_cores(count, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const double share = static_cast<double>(scattered(i, count)) / static_cast<double>(count);
      std::int64_t row = i;
      if (name == "shuffled") row = scattered(i, count);
      if (name == "reversed") row = count - 1 - i;
      // Ascending, but not evenly: every other row is skipped, or taken twice.
      if (name == "sorted") row = i - (share < 0.5 && i % 2 == 1 ? 1 : 0);
      // Rank r as often as 1 / r, and ranks all over memory.
      if (name == "zipf")
        row = scattered(
            std::min(count - 1,
                     static_cast<std::int64_t>(std::pow(static_cast<double>(count), share)) - 1),
            count);
      order[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(row);
    }
  });
  return order;
}

/// The blocks that all cases read and write, made once.
struct Blocks {
  DeviceBlock from{beyond_l2 + most_offset};
  DeviceBlock out{beyond_l2};
  DeviceBlock wrong{8};

  Blocks() {
    const HostBlock host(from.bytes(), false);
    from.write(host.data());
  }
};
Blocks& blocks() {
  static Blocks made;
  return made;
}

void spoil_out(std::int64_t bytes) {
  require(cudaMemsetAsync(blocks().out.data(), 0xa5, static_cast<std::size_t>(bytes), stream()));
}

constexpr int check_grid = 1024, check_threads = 256;

/// Returns true if a kernel counts no difference. `launch` gets the counter.
template <class Launch>
bool none_wrong(const Launch& launch) {
  auto* wrong = reinterpret_cast<unsigned long long*>(blocks().wrong.data());
  require(cudaMemsetAsync(wrong, 0, sizeof *wrong, stream()));
  launch(wrong);
  require(cudaGetLastError());
  finish();
  unsigned long long count = 0;
  require(cudaMemcpy(&count, wrong, sizeof count, cudaMemcpyDeviceToHost));
  return count == 0;
}

/// Runs `work`, which writes so many bytes of `out`, for its bits before and after it is timed by
/// `time`; says whether they were right.
template <class Work, class Right, class Time>
bool measure_by(benchmark::State& state, std::int64_t bytes, const Work& work, const Right& right,
                const Time& time) {
  const auto runs_right = [&] {
    spoil_out(bytes);
    work();
    if (right()) return true;
    state.SkipWithError("the result's bits are wrong");
    return false;
  };
  if (!runs_right()) return false;
  time();
  return runs_right();
}
template <class Work, class Right>
bool measure(benchmark::State& state, std::int64_t bytes, const Work& work, const Right& right) {
  return measure_by(state, bytes, work, right, [&] { time_on_device(state, work); });
}

/// The expected result, computed in the plainest way, one word a thread.
struct ExpectedRows {
  const std::byte* block;
  const std::int32_t* order;
  std::int64_t row_bytes;
};
template <class Word>
__global__ void count_wrong(ExpectedRows rows, const std::byte* out, std::int64_t words,
                            unsigned long long* wrong) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < words; i += step) {
    const std::int64_t at = i * static_cast<std::int64_t>(sizeof(Word));
    const std::byte* from =
        rows.block + rows.order[at / rows.row_bytes] * rows.row_bytes + at % rows.row_bytes;
    Word expected;
    for (std::size_t k = 0; k < sizeof(Word); ++k)
      reinterpret_cast<std::byte*>(&expected)[k] = from[k];
    if (reinterpret_cast<const Word*>(out)[i] != expected) atomicAdd(wrong, 1ull);
  }
}

/// Rows on the device, `offset` bytes off alignment, and pointers to them on the host.
class Rows {
 public:
  Rows(std::int64_t total, std::int64_t row_bytes, const std::string& order,
       std::int64_t offset = 0)
      : row_bytes_(row_bytes),
        count_(static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(
            (row_bytes < short_row ? std::min(total, beyond_l2 / 4) : total) / row_bytes)))),
        offset_(offset),
        order_(order_of(order, count_)),
        device_order_(count_ * 4),
        pointers_(static_cast<std::size_t>(count_)) {
    device_order_.write(order_.data());
    on_all_cores(count_, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        pointers_[static_cast<std::size_t>(i)] =
            block() + order_[static_cast<std::size_t>(i)] * row_bytes_;
    });
  }
  std::int64_t count() const { return count_; }
  std::int64_t row_bytes() const { return row_bytes_; }
  std::int64_t bytes() const { return count_ * row_bytes_; }
  const std::vector<std::int32_t>& order() const { return order_; }
  const std::int32_t* device_order() const {
    return reinterpret_cast<const std::int32_t*>(device_order_.data());
  }
  const std::vector<const std::byte*>& pointers() const { return pointers_; }
  std::byte* block() const { return blocks().from.data() + offset_; }
  std::byte* out() const { return blocks().out.data(); }

  /// The pointers as one level of tables.
  ArrayView view() const {
    return ArrayView(pointers_.data(), Format(),
                     Layout({{count_, 8, 0}, {row_bytes_, 1, 1}}, {0, 0}), true,
                     MemorySpace::device);
  }
  GatherOptions into_out() const {
    GatherOptions options;
    options.stream = cuda::stream_ref(stream());
    options.out = Output{out(), bytes(), MemorySpace::device, {}, nullptr};
    return options;
  }
  /// Checks that `out` has the rows in the pointers' order.
  bool are_in_out() const {
    return none_wrong([&](unsigned long long* wrong) {
      const ExpectedRows rows{block(), device_order(), row_bytes_};
      count_wrong<std::uint32_t>
          <<<check_grid, check_threads, 0, stream()>>>(rows, out(), bytes() / 4, wrong);
    });
  }
  void report_rows(benchmark::State& state, std::int64_t entry_bytes) const {
    const std::int64_t alignment = offset_ == 0
                                       ? alignment_of(row_bytes_)
                                       : std::min(alignment_of(row_bytes_), alignment_of(offset_));
    report(state, static_cast<double>(bytes()),
           static_cast<double>(count_) * traffic(row_bytes_, alignment, entry_bytes));
  }

 private:
  std::int64_t row_bytes_;
  std::int64_t count_;
  std::int64_t offset_;
  std::vector<std::int32_t> order_;
  DeviceBlock device_order_;
  std::vector<const std::byte*> pointers_;
};

/// Rows for one case after another: cases of the same rows, which stand side by side, share them.
const Rows& rows_of(std::int64_t total, std::int64_t row_bytes, const std::string& order,
                    std::int64_t offset = 0) {
  static std::tuple<std::int64_t, std::int64_t, std::string, std::int64_t> made;
  static std::unique_ptr<Rows> rows;
  const std::tuple asked(total, row_bytes, order, offset);
  if (!rows || made != asked) {
    rows.reset();  // before others take its place
    rows = std::make_unique<Rows>(total, row_bytes, order, offset);
    made = asked;
  }
  return *rows;
}

DeviceArray where_it_lies(const ArrayView& view) {
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  options.stream = cuda::stream_ref(stream());
  return upload(view, Device::open("cuda"), options);
}

/// Runs `work`, which leaves the rows in `out`.
template <class Work>
void measure(benchmark::State& state, const Rows& rows, std::int64_t entry_bytes,
             const Work& work) {
  if (measure(state, rows.bytes(), work, [&] { return rows.are_in_out(); }))
    rows.report_rows(state, entry_bytes);
}

// ---- Ours

void through_a_table(benchmark::State& state, std::int64_t total, const std::string& order,
                     std::int64_t offset) {
  const Rows& rows = rows_of(total, state.range(0), order, offset);
  const DeviceArray array = where_it_lies(rows.view());
  const Plan plan(array, {}, rows.into_out());
  const std::int64_t entry = array.layout().levels() == 0 ? 0 : 4;
  measure(state, rows, entry, [&] { plan.run(); });
}

/// A second table stands before the first, or a second and a third: blocks of 16 rows, and of 16
/// blocks.
void through_tables(benchmark::State& state, std::int64_t total, int levels) {
  const Rows& rows = rows_of(total, state.range(0), "shuffled");
  constexpr std::int64_t in_block = 16;
  std::vector<std::vector<const void*>> tables;
  std::vector<Axis> axes{{rows.count(), 8, 0}, {rows.row_bytes(), 1, 1}};
  const void* first = rows.pointers().data();
  for (int level = 1; level < levels; ++level) {
    std::vector<const void*>& blocks = tables.emplace_back();
    for (std::int64_t i = 0; i < axes[0].extent / in_block; ++i)
      blocks.push_back(static_cast<const void* const*>(first) + i * in_block);
    first = blocks.data();
    axes[0].extent = in_block;
    for (Axis& axis : axes) ++axis.level;
    axes.insert(axes.begin(), {static_cast<std::int64_t>(blocks.size()), 8, 0});
  }
  const ArrayView view(
      first, Format(),
      Layout(axes, std::vector<std::int64_t>(static_cast<std::size_t>(levels) + 1, 0)), true,
      MemorySpace::device);
  const DeviceArray array = where_it_lies(view);
  const Plan plan(array, {}, rows.into_out());
  measure(state, rows, 4, [&] { plan.run(); });
}

/// Indices on the device: those that `values` are.
Indices on_device(const std::vector<std::int32_t>& values) {
  const std::int64_t shape[] = {static_cast<std::int64_t>(values.size())};
  return Indices(DeviceBuffer::from_host(Device::open("cuda"), values.data(), shape, Format("i", 4),
                                         {.stream = cuda::stream_ref(stream())}));
}

/// Rows named by indices on the device, of a dense array.
void take_rows(benchmark::State& state, std::int64_t total) {
  const Rows& rows = rows_of(total, state.range(0), "shuffled");
  const ArrayView dense(
      rows.block(), Format(),
      Layout({{rows.count(), rows.row_bytes(), 0}, {rows.row_bytes(), 1, 0}}, {0}), true,
      MemorySpace::device);
  const DeviceArray array = where_it_lies(dense);
  const Plan plan(array, {.groups = {{{0}, {on_device(rows.order())}, {}}}}, rows.into_out());
  measure(state, rows, 4, [&] { plan.run(); });
}

/// Random elements by two coordinates, through a table of rows of 4 KiB (which fits L2) whose
/// pointers are in an order of their own; or of the dense array by one index each.
void take_elements(benchmark::State& state, std::int64_t total, bool through_table) {
  const Rows& items = rows_of(total, state.range(0), "shuffled");
  const std::int64_t item = items.row_bytes();
  const std::int64_t in_row = 4096 / item, row_count = items.count() / in_row;
  const Format format(item == 4 ? "I" : "Q", item);
  // Pointer p leads to row table_order[p]; element e, of row r, is found behind r's pointer.
  const std::vector<std::int32_t> table_order = order_of("shuffled", row_count);
  std::vector<const void*> pointers(static_cast<std::size_t>(row_count));
  std::vector<std::int32_t> pointer_of(pointers.size());
  for (std::size_t p = 0; p < pointers.size(); ++p) {
    pointers[p] = items.block() + table_order[p] * std::int64_t{4096};
    pointer_of[static_cast<std::size_t>(table_order[p])] = static_cast<std::int32_t>(p);
  }
  Selection selection;
  ArrayView view(items.block(), format, Layout({{items.count(), item, 0}}, {0}), true,
                 MemorySpace::device);
  if (through_table) {
    std::vector<std::int32_t> row(items.order().size()), column(items.order().size());
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i] = pointer_of[static_cast<std::size_t>(items.order()[i] / in_row)];
      column[i] = static_cast<std::int32_t>(items.order()[i] % in_row);
    }
    view =
        ArrayView(pointers.data(), format, Layout({{row_count, 8, 0}, {in_row, item, 1}}, {0, 0}),
                  true, MemorySpace::device);
    selection.groups.push_back({{0, 1}, {on_device(row), on_device(column)}, {}});
  } else {
    selection.groups.push_back({{0}, {on_device(items.order())}, {}});
  }
  const DeviceArray array = where_it_lies(view);
  const Plan plan(array, selection, items.into_out());
  measure(state, items, through_table ? 8 : 4, [&] { plan.run(); });
}

template <class Item>
__global__ void count_not_transposed(const Item* from, const Item* to, std::int64_t side,
                                     unsigned long long* wrong) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < side * side;
       i += step) {
    const Item expected = from[i % side * side + i / side];
    for (std::size_t k = 0; k < sizeof(Item); ++k)
      if (reinterpret_cast<const std::byte*>(to + i)[k] !=
          reinterpret_cast<const std::byte*>(&expected)[k]) {
        atomicAdd(wrong, 1ull);
        break;
      }
  }
}

/// A transpose of a dense matrix of items of so many bytes.
template <class Item>
void transposed(benchmark::State& state, std::int64_t total) {
  constexpr std::int64_t item = sizeof(Item);
  const auto side =
      static_cast<std::int64_t>(std::sqrt(static_cast<double>(total / item))) / 64 * 64;
  const std::int64_t bytes = side * side * item;
  const std::byte* from = blocks().from.data();
  std::byte* to = blocks().out.data();
  const ArrayView view(from, Format(std::to_string(item) + "s", item),
                       Layout({{side, item, 0}, {side, side * item, 0}}, {0}), true,
                       MemorySpace::device);
  const DeviceArray array = where_it_lies(view);
  GatherOptions options;
  options.stream = cuda::stream_ref(stream());
  options.out = Output{to, bytes, MemorySpace::device, {}, nullptr};
  const Plan plan(array, {}, options);
  const auto is_transposed = [&] {
    return none_wrong([&](unsigned long long* wrong) {
      count_not_transposed<<<check_grid, check_threads, 0, stream()>>>(
          reinterpret_cast<const Item*>(from), reinterpret_cast<const Item*>(to), side, wrong);
    });
  };
  if (measure(
          state, bytes, [&] { plan.run(); }, is_transposed))
    report(state, static_cast<double>(bytes), 2 * static_cast<double>(bytes));
}

/// The expected result of taking, from each row of `row_items` items, every item at a step from
/// `first` on.
struct ExpectedItems {
  const std::uint32_t* block;
  const std::int32_t* order;
  std::int64_t row_items, taken, first, step;
};
__global__ void count_not_stepped(ExpectedItems items, const std::uint32_t* out, std::int64_t count,
                                  unsigned long long* wrong) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) {
    const std::int64_t row = items.order[i / items.taken];
    const std::int64_t column = items.first + i % items.taken * items.step;
    if (out[i] != items.block[row * items.row_items + column]) atomicAdd(wrong, 1ull);
  }
}

/// Every second 4-byte item of rows, as a slice takes them; `step` may be negative.
void stepped(benchmark::State& state, std::int64_t total, std::int64_t step) {
  constexpr std::int64_t row_items = 1024;
  const Rows& rows = rows_of(total, row_items * 4, "shuffled");
  const ArrayView whole(rows.pointers().data(), Format("I", 4),
                        Layout({{rows.count(), 8, 0}, {row_items, 4, 1}}, {0, 0}), true,
                        MemorySpace::device);
  const DeviceArray array = where_it_lies(whole).slice(1, {{}, {}, step});
  const Plan plan(array, {}, rows.into_out());
  const ExpectedItems expected{reinterpret_cast<const std::uint32_t*>(rows.block()),
                               rows.device_order(),
                               row_items,
                               array.layout().axes()[1].extent,
                               step > 0 ? 0 : row_items - 1,
                               step};
  const auto are_stepped = [&] {
    return none_wrong([&](unsigned long long* wrong) {
      count_not_stepped<<<check_grid, check_threads, 0, stream()>>>(
          expected, reinterpret_cast<const std::uint32_t*>(rows.out()), array.nbytes() / 4, wrong);
    });
  };
  const auto bytes = static_cast<double>(array.nbytes());
  if (measure(
          state, array.nbytes(), [&] { plan.run(); }, are_stepped))
    report(state, bytes, static_cast<double>(rows.bytes()) + bytes);
}

/// Compares some of the rows in `out` with the reference's conversion.
bool are_converted(const Rows& rows, const Format& from, const Format& to) {
  finish();
  const std::int64_t row_bytes = rows.row_bytes();
  const std::int64_t out_bytes = row_bytes / from.itemsize() * to.itemsize();
  constexpr std::int64_t looked_at = 64;
  for (std::int64_t n = 0; n < looked_at; ++n) {
    const std::int64_t row = n * (rows.count() - 1) / (looked_at - 1);
    reference::Result numbers{{row_bytes / from.itemsize()},
                              std::vector<std::byte>(static_cast<std::size_t>(row_bytes))};
    std::vector<std::byte> made(static_cast<std::size_t>(out_bytes));
    require(cudaMemcpy(numbers.bytes.data(), rows.pointers()[static_cast<std::size_t>(row)],
                       numbers.bytes.size(), cudaMemcpyDeviceToHost));
    require(
        cudaMemcpy(made.data(), rows.out() + row * out_bytes, made.size(), cudaMemcpyDeviceToHost));
    if (reference::converted(numbers, from, to).bytes != made) return false;
  }
  return true;
}

/// Rows of 4 KiB through a table, whose numbers become others on their way.
void converted(benchmark::State& state, std::int64_t total, const Format& from, const Format& to) {
  // A wider result has its room, too.
  const std::int64_t wider = std::max<std::int64_t>(to.itemsize() / from.itemsize(), 1);
  const Rows& rows = rows_of(total / wider, 4096, "shuffled");
  const std::int64_t numbers = rows.row_bytes() / from.itemsize();
  const std::int64_t out_bytes = rows.count() * numbers * to.itemsize();
  const ArrayView view(rows.pointers().data(), from,
                       Layout({{rows.count(), 8, 0}, {numbers, from.itemsize(), 1}}, {0, 0}), true,
                       MemorySpace::device);
  const DeviceArray array = where_it_lies(view);
  GatherOptions options = rows.into_out();
  options.format = to;
  options.out->bytes = out_bytes;
  const Plan plan(array, {}, options);
  const auto bytes = static_cast<double>(out_bytes);
  if (measure(
          state, out_bytes, [&] { plan.run(); }, [&] { return are_converted(rows, from, to); }))
    report(state, bytes, static_cast<double>(rows.bytes() + 4 * rows.count()) + bytes);
}

double seconds_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// A call where there is next to nothing to do, by the wall clock: until it returns, with fewer
/// under way than a stream has room for; and, as `2_waited`, until the device is done with it.
void small_calls(benchmark::State& state, bool planned) {
  const Rows& rows = rows_of(64 * 16, 64, "shuffled");
  const DeviceArray array = where_it_lies(rows.view());
  const GatherOptions options = rows.into_out();
  const Plan plan(array, {}, options);
  const auto call = [&] {
    if (planned)
      plan.run();
    else
      copy(array, options);
  };
  constexpr int calls = 256;
  double returned = 0, waited = 0;
  const auto time = [&] {
    for (auto _ : state) {
      const double seconds = seconds_of([&] {
                               for (int i = 0; i < calls; ++i) call();
                             }) /
                             calls;
      finish();
      waited += seconds_of([&] {
                  for (int i = 0; i < calls; ++i) {
                    call();
                    finish();
                  }
                }) /
                calls;
      returned += seconds;
      state.SetIterationTime(seconds);
    }
  };
  if (!measure_by(
          state, rows.bytes(), call, [&] { return rows.are_in_out(); }, time))
    return;
  using benchmark::Counter;
  state.counters["1_returned"] = Counter(returned, Counter::kAvgIterations);
  state.counters["2_waited"] = Counter(waited, Counter::kAvgIterations);
}

// ---- Others

void copy_of_all(benchmark::State& state, std::int64_t total) {
  const std::byte* from = blocks().from.data();
  std::byte* to = blocks().out.data();
  const auto work = [&] {
    require(cudaMemcpyAsync(to, from, static_cast<std::size_t>(total), cudaMemcpyDeviceToDevice,
                            stream()));
  };
  const auto is_copied = [&] {
    const auto first = thrust::device_pointer_cast(reinterpret_cast<const std::uint64_t*>(from));
    return thrust::equal(thrust::cuda::par.on(stream()), first, first + total / 8,
                         thrust::device_pointer_cast(reinterpret_cast<const std::uint64_t*>(to)));
  };
  if (measure(state, total, work, is_copied))
    report(state, static_cast<double>(total), 2.0 * static_cast<double>(total));
}

void copy_a_row_each(benchmark::State& state, std::int64_t total) {
  const Rows& rows = rows_of(total, state.range(0), "shuffled");
  measure(state, rows, 0, [&] {
    for (std::int64_t i = 0; i < rows.count(); ++i)
      require(cudaMemcpyAsync(
          rows.out() + i * rows.row_bytes(), rows.pointers()[static_cast<std::size_t>(i)],
          static_cast<std::size_t>(rows.row_bytes()), cudaMemcpyDeviceToDevice, stream()));
  });
}

/// A kernel that can do nothing else: row numbers of 4 bytes, rows of a power of two of vectors,
/// known to be aligned, two of them a thread. It shows the device's limit for such rows.
template <class Vector>
__global__ void plain_gather(const Vector* __restrict__ from,
                             const std::int32_t* __restrict__ order, Vector* __restrict__ to,
                             std::uint32_t vectors, int log_row_vectors) {
  constexpr std::uint32_t batch = 2;
  const std::uint32_t first = blockIdx.x * blockDim.x * batch + threadIdx.x;
  const std::uint32_t mask = (1u << log_row_vectors) - 1;
  Vector values[batch];
  for (std::uint32_t b = 0; b < batch; ++b) {
    const std::uint32_t vector = first + b * blockDim.x;
    if (vector >= vectors) continue;
    const std::int64_t row = __ldg(order + (vector >> log_row_vectors));
    values[b] = __ldg(from + (row << log_row_vectors) + (vector & mask));
  }
  for (std::uint32_t b = 0; b < batch; ++b)
    if (first + b * blockDim.x < vectors) to[first + b * blockDim.x] = values[b];
}

void plain_kernel(benchmark::State& state, std::int64_t total) {
  const Rows& rows = rows_of(total, state.range(0), "shuffled");
  const auto run = [&]<class Vector>(Vector) {
    const std::int64_t row_vectors = rows.row_bytes() / static_cast<std::int64_t>(sizeof(Vector));
    const auto vectors = static_cast<std::uint32_t>(rows.count() * row_vectors);
    constexpr unsigned threads = 256;
    measure(state, rows, 4, [&] {
      plain_gather<<<(vectors + 2 * threads - 1) / (2 * threads), threads, 0, stream()>>>(
          reinterpret_cast<const Vector*>(rows.block()), rows.device_order(),
          reinterpret_cast<Vector*>(rows.out()), vectors,
          std::countr_zero(static_cast<std::uint64_t>(row_vectors)));
      require(cudaGetLastError());
    });
  };
  if (rows.row_bytes() == 4)
    run(std::uint32_t{});
  else if (rows.row_bytes() == 8)
    run(uint2{});
  else
    run(uint4{});
}

void cub_batched(benchmark::State& state, std::int64_t total, std::int64_t offset) {
  const Rows& rows = rows_of(total, state.range(0), "shuffled", offset);
  const auto count = static_cast<std::size_t>(rows.count());
  std::vector<std::byte*> targets(count);
  for (std::size_t i = 0; i < count; ++i)
    targets[i] = rows.out() + static_cast<std::int64_t>(i) * rows.row_bytes();
  const std::vector<std::uint32_t> sizes(count, static_cast<std::uint32_t>(rows.row_bytes()));
  DeviceBlock from(rows.count() * 8), to(rows.count() * 8), size(rows.count() * 4);
  from.write(rows.pointers().data());
  to.write(targets.data());
  size.write(sizes.data());
  const auto run = [&](void* scratch, std::size_t& bytes) {
    require(cub::DeviceMemcpy::Batched(scratch, bytes, reinterpret_cast<void**>(from.data()),
                                       reinterpret_cast<void**>(to.data()),
                                       reinterpret_cast<std::uint32_t*>(size.data()),
                                       static_cast<std::int64_t>(rows.count()), stream()));
  };
  std::size_t scratch_bytes = 0;
  run(nullptr, scratch_bytes);
  const DeviceBlock scratch(static_cast<std::int64_t>(std::max<std::size_t>(scratch_bytes, 1)));
  measure(state, rows, 4, [&] { run(scratch.data(), scratch_bytes); });
}

template <class Element>
void thrust_gather(benchmark::State& state, std::int64_t total) {
  const Rows& rows = rows_of(total, sizeof(Element), "shuffled");
  const auto first = thrust::device_pointer_cast(rows.device_order());
  const auto from = thrust::device_pointer_cast(reinterpret_cast<const Element*>(rows.block()));
  const auto to = thrust::device_pointer_cast(reinterpret_cast<Element*>(rows.out()));
  measure(state, rows, 4, [&] {
    thrust::gather(thrust::cuda::par_nosync.on(stream()), first, first + rows.count(), from, to);
  });
}

void add_all() {
  benchmark::AddCustomContext("copy_bytes_per_second", std::to_string(copy_rate()));
  using State = benchmark::State;
  const std::vector<std::int64_t> sizes{4,   8,   16,   20,   32,   36,    64,     128,
                                        256, 512, 1000, 1024, 4096, 65536, 1 << 20};
  const std::vector<std::int64_t> few{16, 64, 256, 1000, 1024, 4096};
  for (const auto& [where, total] :
       std::map<std::string, std::int64_t>{{"beyond_l2", beyond_l2}, {"in_l2", in_l2}}) {
    const auto add = [&, bytes = total](const std::string& name, auto work,
                                        std::int64_t argument = 0) {
      auto* made = benchmark::RegisterBenchmark((where + "/" + name).c_str(),
                                                [=](State& state) { work(state, bytes); });
      // A number of its own would be searched for by making everything again.
      made->UseManualTime()->Unit(benchmark::kMicrosecond)->Iterations(samples);
      if (argument > 0) made->Arg(argument);
    };
    add("copies/cudaMemcpy", copy_of_all);
    for (const std::int64_t size : {std::int64_t{65536}, std::int64_t{1} << 20})
      add("copies/cudaMemcpyAsync_a_row", copy_a_row_each, size);

    for (const std::int64_t size : sizes) {
      add(
          "rows/multibuffer",
          [](State& s, std::int64_t bytes) { through_a_table(s, bytes, "shuffled", 0); }, size);
      add("rows/multibuffer_take", take_rows, size);
      if (std::has_single_bit(static_cast<std::uint64_t>(size)))
        add("rows/plain_kernel", plain_kernel, size);
      add(
          "rows/cub", [](State& s, std::int64_t bytes) { cub_batched(s, bytes, 0); }, size);
    }
    for (const std::int64_t size : few) {
      add(
          "misaligned/multibuffer",
          [](State& s, std::int64_t bytes) { through_a_table(s, bytes, "shuffled", 3); }, size);
      add(
          "misaligned/cub", [](State& s, std::int64_t bytes) { cub_batched(s, bytes, 3); }, size);
    }
    for (const std::string order : {"sorted", "affine", "reversed", "zipf"})
      for (const std::int64_t size : few)
        add(
            "orders/" + order,
            [=](State& s, std::int64_t bytes) { through_a_table(s, bytes, order, 0); }, size);
    for (const std::int64_t size : few)
      for (const int levels : {1, 2, 3})
        add(
            "levels/" + std::to_string(levels) + "_deep",
            [=](State& s, std::int64_t bytes) { through_tables(s, bytes, levels); }, size);

    add("transposes/multibuffer/1", transposed<std::uint8_t>);
    add("transposes/multibuffer/2", transposed<std::uint16_t>);
    add("transposes/multibuffer/4", transposed<std::uint32_t>);
    add("transposes/multibuffer/8", transposed<std::uint64_t>);
    add("transposes/multibuffer/16", transposed<ulonglong2>);
    for (const std::int64_t step : {2, -1, -2})
      add("stepped/multibuffer_by" + std::to_string(step),
          [=](State& s, std::int64_t bytes) { stepped(s, bytes, step); });

    const std::pair<Format, Format> conversions[] = {
        {Format(">I", 4), Format("I", 4)}, {Format("f", 4), Format("e", 2)},
        {Format("e", 2), Format("f", 4)},  {Format("f", 4), Format("bfloat16", 2)},
        {Format("f", 4), Format("d", 8)},  {Format("d", 8), Format("f", 4)},
        {Format("B", 1), Format("f", 4)},  {Format("f", 4), Format("B", 1)},
        {Format("i", 4), Format("f", 4)},  {Format("b", 1), Format("?", 1)}};
    for (const auto& [from, to] : conversions)
      add("converted/" + from.text() + "_to_" + to.text(),
          [from = from, to = to](State& s, std::int64_t bytes) { converted(s, bytes, from, to); });

    for (const std::int64_t size : {4, 8}) {
      for (const bool through_table : {true, false})
        add(
            through_table ? "elements/multibuffer" : "elements/multibuffer_dense",
            [=](State& s, std::int64_t bytes) { take_elements(s, bytes, through_table); }, size);
      add("elements/thrust",
          size == 4 ? thrust_gather<std::uint32_t> : thrust_gather<std::uint64_t>, size);
    }
  }
  for (const bool planned : {false, true})
    benchmark::RegisterBenchmark(planned ? "calls/plan" : "calls/copy",
                                 [=](State& state) { small_calls(state, planned); })
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond)
        ->Iterations(samples);
}

}  // namespace
}  // namespace multibuffer::bench

int main(int argc, char** argv) {
  using namespace multibuffer::bench;
  return run_on_a_device(argc, argv, add_all);
}
