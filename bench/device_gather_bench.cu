// Gathers on a GPU, next to what others do with the same rows: device memory in, device memory out,
// time by events. `of_limit` is the fraction of what a copy on this device reaches in this run, by
// the formula in traffic.hpp. Every result's bits are checked before it is timed.

#include <multibuffer/cuda/stream.hpp>
#include <multibuffer/multibuffer.hpp>

#include "bench/device_timing.hpp"
#include "bench/traffic.hpp"

#include <benchmark/benchmark.h>
#include <thrust/device_ptr.h>
#include <thrust/execution_policy.h>
#include <thrust/gather.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <cub/device/device_memcpy.cuh>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace multibuffer::bench {
namespace {

constexpr std::int64_t in_l2 = std::int64_t{16} << 20;
constexpr std::int64_t beyond_l2 = std::int64_t{1} << 30;

/// Which row each pointer leads to.
std::vector<std::int64_t> order_of(const std::string& name, std::int64_t count) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::mt19937_64 random(7);
  if (name == "shuffled") std::shuffle(order.begin(), order.end(), random);
  if (name == "reversed") std::reverse(order.begin(), order.end());
  if (name == "sorted") {  // ascending, but not evenly
    for (std::int64_t& row : order) row = static_cast<std::int64_t>(random() % count);
    std::sort(order.begin(), order.end());
  }
  if (name == "zipf") {  // rank r as often as 1 / r
    std::uniform_real_distribution<double> uniform(0, std::log(static_cast<double>(count)));
    for (std::int64_t& row : order)
      row = std::min(count - 1, static_cast<std::int64_t>(std::exp(uniform(random))) - 1);
    std::vector<std::int64_t> scattered(order.size());
    std::iota(scattered.begin(), scattered.end(), std::int64_t{0});
    std::shuffle(scattered.begin(), scattered.end(), random);
    for (std::int64_t& row : order) row = scattered[static_cast<std::size_t>(row)];
  }
  return order;
}

/// Rows on the device, `offset` bytes off alignment, and pointers to them on the host.
class Rows {
 public:
  Rows(std::int64_t total, std::int64_t row_bytes, const std::string& order,
       std::int64_t offset = 0)
      : row_bytes_(row_bytes),
        count_(total / row_bytes),
        offset_(offset),
        order_(order_of(order, count_)),
        host_(bytes() + offset, false),
        device_(bytes() + offset),
        out_(bytes()) {
    device_.write(host_.data());
    for (const std::int64_t row : order_)
      pointers_.push_back(device_.data() + offset + row * row_bytes);
  }
  std::int64_t count() const { return count_; }
  std::int64_t row_bytes() const { return row_bytes_; }
  std::int64_t bytes() const { return count_ * row_bytes_; }
  const std::vector<std::int64_t>& order() const { return order_; }
  const std::vector<const std::byte*>& pointers() const { return pointers_; }
  std::byte* block() const { return device_.data() + offset_; }
  DeviceBlock& out() { return out_; }

  /// The pointers as one level of tables.
  ArrayView view() const {
    return ArrayView(pointers_.data(), Format(),
                     Layout({{count_, 8, 0}, {row_bytes_, 1, 1}}, {0, 0}), true,
                     MemorySpace::device);
  }
  Request into_out() {
    Request request;
    request.stream = stream();
    request.out = Output{out_.data(), out_.bytes(), MemorySpace::device, {}, nullptr};
    return request;
  }
  /// Whether `out` has the rows in the pointers' order; then it is cleared.
  bool check(benchmark::State& state) {
    finish();
    const std::vector<std::byte> result = out_.read();
    require(cudaMemset(out_.data(), 0, static_cast<std::size_t>(out_.bytes())));
    const auto size = static_cast<std::size_t>(row_bytes_);
    for (std::size_t i = 0; i < order_.size(); ++i) {
      if (std::memcmp(result.data() + i * size, host_.data() + offset_ + order_[i] * row_bytes_,
                      size) == 0)
        continue;
      state.SkipWithError("the result's bits are wrong");
      return false;
    }
    return true;
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
  std::vector<std::int64_t> order_;
  HostBlock host_;
  DeviceBlock device_;
  DeviceBlock out_;
  std::vector<const std::byte*> pointers_;
};

DeviceArray where_it_lies(const ArrayView& view) {
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  options.stream = stream();
  return upload(view, Device::open("cuda"), options);
}

/// Runs `work` once for its bits, then for the time.
template <class Work>
void measure(benchmark::State& state, Rows& rows, std::int64_t entry_bytes, const Work& work) {
  work();
  if (!rows.check(state)) return;
  time_on_device(state, work);
  rows.report_rows(state, entry_bytes);
}

// ---- Ours

void through_a_table(benchmark::State& state, std::int64_t total, const std::string& order,
                     std::int64_t offset) {
  Rows rows(total, state.range(0), order, offset);
  const DeviceArray array = where_it_lies(rows.view());
  const Request request = rows.into_out();
  const std::int64_t entry = array.layout().levels() == 0 ? 0 : 4;
  measure(state, rows, entry, [&] { copy(array, Order::C, request); });
}

/// A second table stands before the first: blocks of 16 rows.
void through_two_tables(benchmark::State& state, std::int64_t total) {
  Rows rows(total, state.range(0), "shuffled");
  constexpr std::int64_t in_block = 16;
  std::vector<const void*> blocks;
  for (std::int64_t i = 0; i < rows.count() / in_block; ++i)
    blocks.push_back(rows.pointers().data() + i * in_block);
  const ArrayView view(blocks.data(), Format(),
                       Layout({{static_cast<std::int64_t>(blocks.size()), 8, 0},
                               {in_block, 8, 1},
                               {rows.row_bytes(), 1, 2}},
                              {0, 0, 0}),
                       true, MemorySpace::device);
  const DeviceArray array = where_it_lies(view);
  const Request request = rows.into_out();
  measure(state, rows, 4, [&] { copy(array, Order::C, request); });
}

/// Rows named by indices on the device, of a dense array.
void take_rows(benchmark::State& state, std::int64_t total) {
  Rows rows(total, state.range(0), "shuffled");
  const ArrayView dense(
      rows.block(), Format(),
      Layout({{rows.count(), rows.row_bytes(), 0}, {rows.row_bytes(), 1, 0}}, {0}), true,
      MemorySpace::device);
  const DeviceArray array = where_it_lies(dense);
  const std::vector<std::int32_t> values(rows.order().begin(), rows.order().end());
  const std::int64_t shape[] = {rows.count()};
  const Indices indices(DeviceBuffer::from_host(Device::open("cuda"), values.data(), shape,
                                                Format("i", 4), stream()));
  const Request request = rows.into_out();
  measure(state, rows, 4, [&] { take(array, 0, indices, request); });
}

/// A transpose of a dense matrix of items of `range(0)` bytes.
void transposed(benchmark::State& state, std::int64_t total) {
  const std::int64_t item = state.range(0);
  const auto side =
      static_cast<std::int64_t>(std::sqrt(static_cast<double>(total / item))) / 64 * 64;
  const HostBlock host(side * side * item, false);
  DeviceBlock from(host.bytes()), to(host.bytes());
  from.write(host.data());
  const ArrayView view(from.data(), Format(std::to_string(item) + "s", item),
                       Layout({{side, item, 0}, {side, side * item, 0}}, {0}), true,
                       MemorySpace::device);
  const DeviceArray array = where_it_lies(view);
  Request request;
  request.stream = stream();
  request.out = Output{to.data(), to.bytes(), MemorySpace::device, {}, nullptr};
  copy(array, Order::C, request);
  finish();
  const std::vector<std::byte> result = to.read();
  for (std::int64_t i = 0; i < side; ++i)
    for (std::int64_t j = 0; j < side; ++j)
      if (std::memcmp(result.data() + (i * side + j) * item, host.data() + (j * side + i) * item,
                      static_cast<std::size_t>(item)) != 0)
        return state.SkipWithError("the result's bits are wrong");
  time_on_device(state, [&] { copy(array, Order::C, request); });
  const auto bytes = static_cast<double>(host.bytes());
  report(state, bytes, 2 * bytes);
}

// ---- Others

void copy_of_all(benchmark::State& state, std::int64_t total) {
  const DeviceBlock from(total), to(total);
  time_on_device(state, [&] {
    require(cudaMemcpyAsync(to.data(), from.data(), static_cast<std::size_t>(total),
                            cudaMemcpyDeviceToDevice, stream()));
  });
  report(state, static_cast<double>(total), 2.0 * static_cast<double>(total));
}

void copy_a_row_each(benchmark::State& state, std::int64_t total) {
  Rows rows(total, state.range(0), "shuffled");
  measure(state, rows, 0, [&] {
    for (std::int64_t i = 0; i < rows.count(); ++i)
      require(cudaMemcpyAsync(
          rows.out().data() + i * rows.row_bytes(), rows.pointers()[static_cast<std::size_t>(i)],
          static_cast<std::size_t>(rows.row_bytes()), cudaMemcpyDeviceToDevice, stream()));
  });
}

void cub_batched(benchmark::State& state, std::int64_t total, std::int64_t offset) {
  Rows rows(total, state.range(0), "shuffled", offset);
  const auto count = static_cast<std::size_t>(rows.count());
  std::vector<std::byte*> targets;
  for (std::int64_t i = 0; i < rows.count(); ++i)
    targets.push_back(rows.out().data() + i * rows.row_bytes());
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
  Rows rows(total, sizeof(Element), "shuffled");
  const std::vector<std::int32_t> values(rows.order().begin(), rows.order().end());
  DeviceBlock map(rows.count() * 4);
  map.write(values.data());
  const auto first = thrust::device_pointer_cast(reinterpret_cast<std::int32_t*>(map.data()));
  const auto from = thrust::device_pointer_cast(reinterpret_cast<Element*>(rows.block()));
  const auto to = thrust::device_pointer_cast(reinterpret_cast<Element*>(rows.out().data()));
  measure(state, rows, 4, [&] {
    thrust::gather(thrust::cuda::par_nosync.on(stream()), first, first + rows.count(), from, to);
  });
}

benchmark::internal::Benchmark* add(const std::string& name, auto work) {
  return benchmark::RegisterBenchmark(name.c_str(), work)
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond);
}

void add_all() {
  const std::vector<std::int64_t> sizes{4,   8,   16,   20,   32,   36,    64,     128,
                                        256, 512, 1000, 1024, 4096, 65536, 1 << 20};
  const std::vector<std::int64_t> few{16, 64, 256, 1000, 1024, 4096};
  for (const auto& [where, total] :
       std::map<std::string, std::int64_t>{{"beyond_l2", beyond_l2}, {"in_l2", in_l2}}) {
    const std::int64_t bytes = total;
    const auto sized = [&](const std::string& name, auto work,
                           const std::vector<std::int64_t>& rows) {
      add(where + "/" + name, work)->ArgsProduct({rows});
    };
    add(where + "/cudaMemcpy", [=](benchmark::State& s) { copy_of_all(s, bytes); });
    sized(
        "multibuffer/shuffled",
        [=](benchmark::State& s) { through_a_table(s, bytes, "shuffled", 0); }, sizes);
    sized(
        "multibuffer/take", [=](benchmark::State& s) { take_rows(s, bytes); }, sizes);
    sized(
        "cub", [=](benchmark::State& s) { cub_batched(s, bytes, 0); }, sizes);
    sized(
        "multibuffer/misaligned",
        [=](benchmark::State& s) { through_a_table(s, bytes, "shuffled", 3); }, few);
    sized(
        "cub_misaligned", [=](benchmark::State& s) { cub_batched(s, bytes, 3); }, few);
    for (const char* order : {"sorted", "affine", "reversed", "zipf"})
      sized(
          std::string("multibuffer/") + order,
          [=](benchmark::State& s) { through_a_table(s, bytes, order, 0); }, few);
    sized(
        "multibuffer/two_tables", [=](benchmark::State& s) { through_two_tables(s, bytes); }, few);
    sized("multibuffer/transposed", [=](benchmark::State& s) { transposed(s, bytes); },
          {1, 2, 4, 8, 16});
    sized(
        "cudaMemcpyAsync_a_row", [=](benchmark::State& s) { copy_a_row_each(s, bytes); },
        total == in_l2 ? std::vector<std::int64_t>{4096, 65536}
                       : std::vector<std::int64_t>{65536, 1 << 20});
    sized("thrust", [=](benchmark::State& s) { thrust_gather<std::uint32_t>(s, bytes); }, {4});
    sized("thrust", [=](benchmark::State& s) { thrust_gather<std::uint64_t>(s, bytes); }, {8});
  }
}

int run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (!there_is_a_device()) return 0;
  benchmark::AddCustomContext("copy_bytes_per_second", std::to_string(copy_rate()));
  benchmark::AddCustomContext("device", Device::open("cuda").info().description);
  add_all();
  benchmark::RunSpecifiedBenchmarks();
  ::benchmark::Shutdown();
  return 0;
}

}  // namespace
}  // namespace multibuffer::bench

int main(int argc, char** argv) { return multibuffer::bench::run(argc, argv); }
