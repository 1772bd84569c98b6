// Rows on the host to one array on a GPU, next to what others do with the same rows. Wall-clock
// time until they are there. `of_limit` is the fraction of what one page-locked copy of as many
// bytes reaches in this run. Every result's bits are checked before it is timed, and after.

#include <multibuffer/cuda/stream.hpp>
#include <multibuffer/multibuffer.hpp>

#include "bench/device_timing.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace multibuffer::bench {
namespace {

constexpr std::int64_t total = std::int64_t{256} << 20;
constexpr int samples = 5;

/// The block that all cases read, made once for each kind of memory.
const HostBlock& block_of(bool page_locked) {
  static const HostBlock pageable(2 * total, false);
  if (!page_locked) return pageable;
  static const HostBlock locked(2 * total, true);
  return locked;
}

class Rows {
 public:
  Rows(std::int64_t row_bytes, bool page_locked)
      : row_bytes_(row_bytes), block_(block_of(page_locked)) {
    for (std::int64_t at = 0; at < total; at += row_bytes)
      pointers_.push_back(block_.data() + 2 * at);  // every second row: none continue each other
    std::shuffle(pointers_.begin(), pointers_.end(), std::mt19937(7));
    reversed_.assign(pointers_.rbegin(), pointers_.rend());
  }
  ArrayView view() const { return view_of(pointers_); }
  /// A view with the layout of `view` and other contents.
  ArrayView other_view() const { return view_of(reversed_); }
  const std::vector<const std::byte*>& pointers() const { return pointers_; }
  std::size_t row_bytes() const { return static_cast<std::size_t>(row_bytes_); }
  void stack(std::byte* to) const {
    for (std::size_t i = 0; i < pointers_.size(); ++i)
      std::memcpy(to + i * row_bytes(), pointers_[i], row_bytes());
  }
  /// Checks that memory of the device has the rows in the pointers' order.
  bool same(benchmark::State& state, const std::byte* result) const {
    static const HostBlock arrived(total, true);
    require(cudaMemcpyAsync(arrived.data(), result, total, cudaMemcpyDeviceToHost, stream()));
    finish();
    std::atomic<bool> same = true;
    on_all_cores(total / row_bytes_, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end && same; ++i)
        if (std::memcmp(arrived.data() + i * row_bytes_, pointers_[static_cast<std::size_t>(i)],
                        row_bytes()) != 0)
          same = false;
    });
    if (!same) state.SkipWithError("the result's bits are wrong");
    return same;
  }
  bool same(benchmark::State& state, const DeviceArray& array) const {
    const DeviceBuffer result = copy(array);
    result.synchronize();
    return same(state, result.data());
  }

 private:
  ArrayView view_of(const std::vector<const std::byte*>& pointers) const {
    return ArrayView(
        pointers.data(), Format(),
        Layout({{static_cast<std::int64_t>(pointers.size()), 8, 0}, {row_bytes_, 1, 1}}, {0, 0}));
  }

  std::int64_t row_bytes_;
  const HostBlock& block_;
  std::vector<const std::byte*> pointers_;
  std::vector<const std::byte*> reversed_;
};

double seconds_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  finish();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Seconds that one page-locked copy of all takes, at best.
double copy_seconds() {
  static const double least = [] {
    const HostBlock from(total, true);
    const DeviceBlock to(total);
    double best = 1e9;
    for (int i = 0; i < 5; ++i)
      best = std::min(best, seconds_of([&] {
                        require(cudaMemcpyAsync(to.data(), from.data(), total,
                                                cudaMemcpyHostToDevice, stream()));
                      }));
    return best;
  }();
  return least;
}

void time_upload(benchmark::State& state, const auto& work) {
  for (auto _ : state) state.SetIterationTime(seconds_of(work));
  using benchmark::Counter;
  state.counters["payload"] =
      Counter(static_cast<double>(total), Counter::kIsIterationInvariantRate, Counter::kIs1000);
  state.counters["of_limit"] = Counter(copy_seconds(), Counter::kIsIterationInvariantRate);
}

/// Times `work`; checks what `result` leaves, which does that work on memory that held something
/// else, before and after.
void measure(benchmark::State& state, const Rows& rows, const auto& work, const auto& result) {
  if (!rows.same(state, result())) return;
  time_upload(state, work);
  rows.same(state, result());
}

/// Measures work that fills a block.
void measure_into(benchmark::State& state, const Rows& rows, const DeviceBlock& to,
                  const auto& work) {
  measure(state, rows, work, [&] {
    require(cudaMemsetAsync(to.data(), 0xa5, total, stream()));
    work();
    return to.data();
  });
}

/// Measures an upload. Other rows are uploaded first, whose memory the next array is likely to
/// reuse.
void measure_upload(benchmark::State& state, const Rows& rows, const Device& device,
                    const auto& uploaded) {
  measure(
      state, rows, [&] { uploaded(); },
      [&] {
        upload(rows.other_view(), device);
        return uploaded();
      });
}

void ours(benchmark::State& state, bool page_locked) {
  const Rows rows(state.range(0), page_locked);
  const Device device = Device::open("cuda");
  UploadOptions options;
  options.stream = cuda::stream_ref(stream());
  measure_upload(state, rows, device, [&] { return upload(rows.view(), device, options); });
}

/// The transfer alone, the pointers having been followed before.
void ours_transfer(benchmark::State& state, bool page_locked) {
  const Rows rows(state.range(0), page_locked);
  const Device device = Device::open("cuda");
  const Placement placement = place(resolve(rows.view()));
  UploadOptions options;
  options.stream = cuda::stream_ref(stream());
  measure_upload(state, rows, device, [&] { return upload(placement, device, options); });
}

void new_contents(benchmark::State& state, bool page_locked) {
  const Rows rows(state.range(0), page_locked);
  const DeviceArray array = upload(rows.view(), Device::open("cuda"));
  const CallOptions options{.stream = cuda::stream_ref(stream())};
  const auto work = [&] { update(array, rows.view(), options); };
  measure(state, rows, work, [&] {
    update(array, rows.other_view(), options);
    work();
    return array;
  });
}

void a_copy_a_row(benchmark::State& state, bool page_locked) {
  const Rows rows(state.range(0), page_locked);
  const DeviceBlock to(total);
  measure_into(state, rows, to, [&] {
    for (std::size_t i = 0; i < rows.pointers().size(); ++i)
      require(cudaMemcpyAsync(to.data() + i * rows.row_bytes(), rows.pointers()[i],
                              rows.row_bytes(), cudaMemcpyHostToDevice, stream()));
  });
}

/// Stacks all rows into new pageable memory, as np.stack does, then copies that to the device.
void stacked_first(benchmark::State& state, bool page_locked) {
  const Rows rows(state.range(0), page_locked);
  const DeviceBlock to(total);
  measure_into(state, rows, to, [&] {
    const auto stacked = std::make_unique_for_overwrite<std::byte[]>(total);
    rows.stack(stacked.get());
    require(cudaMemcpyAsync(to.data(), stacked.get(), total, cudaMemcpyHostToDevice, stream()));
    finish();
  });
}

/// The best that this can be on one core: into memory that is there, and page-locked.
void stacked_in_page_locked(benchmark::State& state, bool page_locked) {
  const Rows rows(state.range(0), page_locked);
  const HostBlock stacked(total, true);
  const DeviceBlock to(total);
  measure_into(state, rows, to, [&] {
    rows.stack(stacked.data());
    require(cudaMemcpyAsync(to.data(), stacked.data(), total, cudaMemcpyHostToDevice, stream()));
  });
}

#if CUDART_VERSION >= 13000
void one_batch(benchmark::State& state, bool page_locked) {
  const Rows rows(state.range(0), page_locked);
  const DeviceBlock to(total);
  std::vector<void*> targets;
  std::vector<const void*> sources;
  for (std::size_t i = 0; i < rows.pointers().size(); ++i) {
    targets.push_back(to.data() + i * rows.row_bytes());
    sources.push_back(rows.pointers()[i]);
  }
  const std::vector<std::size_t> sizes(targets.size(), rows.row_bytes());
  measure_into(state, rows, to, [&] {
    cudaMemcpyAttributes attributes{};
    attributes.srcAccessOrder = cudaMemcpySrcAccessOrderStream;
    std::size_t first = 0;
    require(cudaMemcpyBatchAsync(targets.data(), sources.data(), sizes.data(), sizes.size(),
                                 &attributes, &first, 1, stream()));
  });
}
#endif

void add(const std::string& name, void (*work)(benchmark::State&, bool), bool page_locked,
         const std::vector<std::int64_t>& sizes) {
  const std::string full = std::string(page_locked ? "page_locked/" : "pageable/") + name;
  benchmark::RegisterBenchmark(full.c_str(),
                               [=](benchmark::State& state) { work(state, page_locked); })
      ->ArgsProduct({sizes})
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond)
      ->Iterations(samples);
}

void add_all() {
  benchmark::AddCustomContext("page_locked_copy_seconds", std::to_string(copy_seconds()));
  const std::vector<std::int64_t> sizes{64,       256,      1024,     4096,      8 << 10,
                                        16 << 10, 32 << 10, 64 << 10, 256 << 10, 1 << 20};
  const std::vector<std::int64_t> large(sizes.begin() + 3, sizes.end());  // a call a row takes long
  for (const bool page_locked : {false, true}) {
    add("multibuffer", ours, page_locked, sizes);
    add("multibuffer_transfer", ours_transfer, page_locked, sizes);
    add("multibuffer_update", new_contents, page_locked, sizes);
    add("stack_then_copy", stacked_first, page_locked, sizes);
    add("stack_in_page_locked_then_copy", stacked_in_page_locked, page_locked, sizes);
    add("cudaMemcpyAsync_a_row", a_copy_a_row, page_locked, large);
#if CUDART_VERSION >= 13000
    add("cudaMemcpyBatchAsync", one_batch, page_locked, large);
#endif
  }
}

}  // namespace
}  // namespace multibuffer::bench

int main(int argc, char** argv) {
  using namespace multibuffer::bench;
  return run_on_a_device(argc, argv, add_all);
}
