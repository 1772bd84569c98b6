// An upload and a gather in their stages, each timed alone: wall-clock seconds as counters, their
// sum as the time. `pack` is what the transfer of pageable rows does on the host beside the
// copying: the same placement, into host memory. The bits of what comes out are verified in every
// iteration: of ours as a stage of its own, of the others beside the timing.

#include <multibuffer/cuda/stream.hpp>
#include <multibuffer/multibuffer.hpp>

#include "bench/device_timing.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace multibuffer::bench {
namespace {

constexpr std::int64_t total = std::int64_t{256} << 20;

/// Rows that do not continue each other, pointers to them in shuffled order, and an order to gather
/// them in.
class Rows {
 public:
  Rows(std::int64_t row_bytes, bool page_locked)
      : row_bytes_(row_bytes), block_(2 * total, page_locked), order_(count()) {
    for (std::int64_t at = 0; at < total; at += row_bytes)
      pointers_.push_back(block_.data() + 2 * at);
    std::mt19937 random(7);
    std::shuffle(pointers_.begin(), pointers_.end(), random);
    std::iota(order_.begin(), order_.end(), 0);
    std::shuffle(order_.begin(), order_.end(), random);
  }
  ArrayView view() const {
    return ArrayView(pointers_.data(), Format(),
                     Layout({{total / row_bytes_, 8, 0}, {row_bytes_, 1, 1}}, {0, 0}));
  }
  DeviceBuffer order(const Device& device) const {
    const std::int64_t shape[] = {total / row_bytes_};
    return DeviceBuffer::from_host(device, order_.data(), shape, Format("i", 4),
                                   {.stream = cuda::stream_ref(stream())});
  }
  /// One memcpy a row: what others do first.
  void stack(std::byte* to, const std::vector<std::int32_t>* order = nullptr) const {
    for (std::size_t i = 0; i < pointers_.size(); ++i)
      std::memcpy(to + i * size(), pointers_[order ? static_cast<std::size_t>((*order)[i]) : i],
                  size());
  }
  /// The rows on a device in the pointers' order, and as they are to be gathered.
  DeviceBuffer stacked(const Device& device) const { return stacked(device, nullptr); }
  DeviceBuffer gathered(const Device& device) const { return stacked(device, &order_); }
  /// Makes a result of the same shape with zeros.
  DeviceBuffer blank(const Device& device) const {
    return on_device(device, std::vector<std::byte>(static_cast<std::size_t>(total)).data());
  }

 private:
  std::size_t count() const { return static_cast<std::size_t>(total / row_bytes_); }
  std::size_t size() const { return static_cast<std::size_t>(row_bytes_); }
  DeviceBuffer on_device(const Device& device, const std::byte* bytes) const {
    const std::int64_t shape[] = {total / row_bytes_, row_bytes_};
    return DeviceBuffer::from_host(device, bytes, shape, Format());
  }
  DeviceBuffer stacked(const Device& device, const std::vector<std::int32_t>* order) const {
    const auto bytes = std::make_unique_for_overwrite<std::byte[]>(total);
    stack(bytes.get(), order);
    return on_device(device, bytes.get());
  }

  std::int64_t row_bytes_;
  HostBlock block_;
  std::vector<const std::byte*> pointers_;
  std::vector<std::int32_t> order_;
};

/// Seconds by stage, summed over iterations.
class Stages {
 public:
  /// Runs `work` until the device has done it, and returns what it returns.
  template <class Work>
  auto operator()(const char* name, const Work& work) {
    const auto start = std::chrono::steady_clock::now();
    auto result = work();
    finish();
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    seconds_[name] += seconds;
    iteration_ += seconds;
    return result;
  }
  double end_of_iteration() { return std::exchange(iteration_, 0); }
  void report(benchmark::State& state) const {
    for (const auto& [name, seconds] : seconds_)
      state.counters[name] = benchmark::Counter(seconds, benchmark::Counter::kAvgIterations);
    state.counters["payload"] = benchmark::Counter(static_cast<double>(total),
                                                   benchmark::Counter::kIsIterationInvariantRate,
                                                   benchmark::Counter::kIs1000);
  }

 private:
  std::map<std::string, double> seconds_;
  double iteration_ = 0;
};

void ours(benchmark::State& state, bool page_locked) {
  const Rows rows(state.range(0), page_locked);
  const Device device = Device::open("cuda");
  const Indices order(rows.order(device));
  const DeviceBuffer expected = rows.gathered(device);
  UploadOptions options;
  options.stream = cuda::stream_ref(stream());
  GatherOptions on_stream;
  on_stream.stream = cuda::stream_ref(stream());
  Stages stages;
  for (auto _ : state) {
    const auto resolution = stages("1_resolve", [&] { return resolve(rows.view()); });
    const auto placement = stages("2_place", [&] { return place(resolution); });
    const auto array = stages("3_transfer", [&] { return upload(placement, device, options); });
    const auto result = stages("4_gather", [&] { return take(array, 0, order, on_stream); });
    const auto same = stages("5_verify", [&] { return verify(result, expected); });
    state.SetIterationTime(stages.end_of_iteration());
    if (!same.equal()) return state.SkipWithError(describe(same).c_str());
  }
  stages.report(state);
}

void pack(benchmark::State& state, bool page_locked) {
  const Rows rows(state.range(0), page_locked);
  const Placement placement = place(resolve(rows.view()), PlacementKind::packed);
  const DeviceBuffer expected = rows.stacked(Device::host());
  Stages stages;
  for (auto _ : state) {
    const auto array = stages("1_pack", [&] { return upload(placement, Device::host()); });
    state.SetIterationTime(stages.end_of_iteration());
    const Comparison same = verify(copy(array), expected);
    if (!same.equal()) return state.SkipWithError(describe(same).c_str());
  }
  stages.report(state);
}

/// Times the usual way: the rows are stacked into one block, which is copied. `room` returns the
/// block of each iteration.
void stacked(benchmark::State& state, const Rows& rows, const auto& room) {
  const Device device = Device::open("cuda");
  const DeviceBuffer expected = rows.stacked(device), to = rows.blank(device);
  to.synchronize();
  Stages stages;
  for (auto _ : state) {
    require(cudaMemsetAsync(to.data(), 0xa5, total, stream()));
    finish();
    const auto block = stages("1_stack", [&] {
      auto made = room();
      rows.stack(&made[0]);
      return made;
    });
    stages("2_transfer", [&] {
      require(cudaMemcpyAsync(to.data(), &block[0], total, cudaMemcpyHostToDevice, stream()));
      return 0;
    });
    state.SetIterationTime(stages.end_of_iteration());
    const Comparison same = verify(to, expected);
    if (!same.equal()) return state.SkipWithError(describe(same).c_str());
  }
  stages.report(state);
}

/// Stacks into new pageable memory, as np.stack does.
void stacked_first(benchmark::State& state, bool page_locked) {
  const Rows rows(state.range(0), page_locked);
  stacked(state, rows, [] { return std::make_unique_for_overwrite<std::byte[]>(total); });
}

/// The best that this can be on one core: in memory that is there, and page-locked.
void stacked_in_page_locked(benchmark::State& state, bool page_locked) {
  const Rows rows(state.range(0), page_locked);
  const HostBlock block(total, true);
  stacked(state, rows, [&] { return block.data(); });
}

void add(const std::string& name, void (*work)(benchmark::State&, bool), bool page_locked) {
  const std::string full = (page_locked ? "page_locked/" : "pageable/") + name;
  benchmark::RegisterBenchmark(full.c_str(),
                               [=](benchmark::State& state) { work(state, page_locked); })
      ->ArgsProduct({{64, 1024, 4096, 64 << 10}})
      ->UseManualTime()
      ->Iterations(4)  // a number of its own would be searched for by making the rows again
      ->Unit(benchmark::kMillisecond);
}

void add_all() {
  for (const bool page_locked : {false, true}) {
    add("multibuffer", ours, page_locked);
    add("multibuffer_pack", pack, page_locked);
    add("stack_then_copy", stacked_first, page_locked);
    add("stack_in_page_locked_then_copy", stacked_in_page_locked, page_locked);
  }
}

}  // namespace
}  // namespace multibuffer::bench

int main(int argc, char** argv) {
  using namespace multibuffer::bench;
  return run_on_a_device(argc, argv, add_all);
}
