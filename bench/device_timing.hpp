#pragma once

#include <multibuffer/cuda/stream.hpp>
#include <multibuffer/device.hpp>

#include <benchmark/benchmark.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <thread>
#include <vector>

// Memory, a stream, and timing by events on it, for all device benchmarks.

namespace multibuffer::bench {

inline void require(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::cerr << "CUDA: " << cudaGetErrorString(error) << '\n';
  std::exit(1);
}

/// The stream that everything runs on; not the default one, which batch copies refuse.
inline cudaStream_t stream() {
  static const cudaStream_t made = [] {
    cudaStream_t stream = nullptr;
    require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    return stream;
  }();
  return made;
}

inline void finish() { require(cudaStreamSynchronize(stream())); }

class DeviceBlock {
 public:
  explicit DeviceBlock(std::int64_t bytes) : bytes_(bytes) {
    void* data = nullptr;
    require(cudaMalloc(&data, static_cast<std::size_t>(bytes)));
    data_ = static_cast<std::byte*>(data);
  }
  ~DeviceBlock() { require(cudaFree(data_)); }
  DeviceBlock(const DeviceBlock&) = delete;
  DeviceBlock& operator=(const DeviceBlock&) = delete;

  std::byte* data() const { return data_; }
  std::int64_t bytes() const { return bytes_; }
  void write(const void* from) {
    require(cudaMemcpy(data_, from, static_cast<std::size_t>(bytes_), cudaMemcpyHostToDevice));
  }
  std::vector<std::byte> read() const {
    std::vector<std::byte> bytes(static_cast<std::size_t>(bytes_));
    require(cudaMemcpy(bytes.data(), data_, bytes.size(), cudaMemcpyDeviceToHost));
    return bytes;
  }

 private:
  std::byte* data_ = nullptr;
  std::int64_t bytes_;
};

/// Page-locked or pageable host memory, filled so that no two rows are alike.
class HostBlock {
 public:
  HostBlock(std::int64_t bytes, bool page_locked) : page_locked_(page_locked), bytes_(bytes) {
    void* data = nullptr;
    if (page_locked)
      require(cudaHostAlloc(&data, static_cast<std::size_t>(bytes), cudaHostAllocDefault));
    else
      data = std::aligned_alloc(4096, static_cast<std::size_t>((bytes + 4095) / 4096 * 4096));
    data_ = static_cast<std::byte*>(data);
    std::uint64_t state = 1;
    for (std::int64_t i = 0; i + 8 <= bytes; i += 8) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      std::memcpy(data_ + i, &state, 8);
    }
  }
  ~HostBlock() {
    if (page_locked_)
      require(cudaFreeHost(data_));
    else
      std::free(data_);
  }
  HostBlock(const HostBlock&) = delete;
  HostBlock& operator=(const HostBlock&) = delete;

  std::byte* data() const { return data_; }
  std::int64_t bytes() const { return bytes_; }

 private:
  bool page_locked_;
  std::byte* data_;
  std::int64_t bytes_;
};

/// Calls work(begin, end) for pieces that cover [0, count), one a processor.
template <class Work>
void on_all_cores(std::int64_t count, const Work& work) {
  const std::int64_t pieces = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::jthread> threads;
  for (std::int64_t i = 0; i < pieces; ++i)
    threads.emplace_back([&, i] { work(count * i / pieces, count * (i + 1) / pieces); });
}

/// Two events on `stream()`, and the time between them.
class Interval {
 public:
  Interval() {
    require(cudaEventCreate(&begin_));
    require(cudaEventCreate(&end_));
  }
  ~Interval() {
    require(cudaEventDestroy(begin_));
    require(cudaEventDestroy(end_));
  }
  Interval(const Interval&) = delete;
  Interval& operator=(const Interval&) = delete;

  /// Returns the seconds of the work that `work` enqueues on the stream, and waits for it.
  template <class Work>
  double seconds(const Work& work) {
    require(cudaEventRecord(begin_, stream()));
    work();
    require(cudaEventRecord(end_, stream()));
    require(cudaEventSynchronize(end_));
    float milliseconds = 0;
    require(cudaEventElapsedTime(&milliseconds, begin_, end_));
    return static_cast<double>(milliseconds) / 1000;
  }

 private:
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

/// Times `work`, which enqueues on `stream()`: so much of it at a time that what it costs to start
/// the first, on a device that is idle, is lost in the sum.
template <class Work>
void time_on_device(benchmark::State& state, const Work& work) {
  constexpr double sample = 500e-6;
  constexpr double most_calls = 100;
  Interval interval;
  work();  // what is done once is not part of it
  const auto calls = static_cast<int>(std::clamp(sample / interval.seconds(work), 1.0, most_calls));
  for (auto _ : state) {
    const double seconds = interval.seconds([&] {
      for (int i = 0; i < calls; ++i) work();
    });
    state.SetIterationTime(seconds / calls);
  }
}

/// Bytes a second, read and written, that a copy on the device reaches: the best of some, of 1 GiB.
inline double copy_rate() {
  static const double rate = [] {
    const std::int64_t bytes = std::int64_t{1} << 30;
    const DeviceBlock from(bytes), to(bytes);
    Interval interval;
    double least = 1e9;
    for (int i = 0; i < 10; ++i)
      least = std::min(least, interval.seconds([&] {
        require(cudaMemcpyAsync(to.data(), from.data(), static_cast<std::size_t>(bytes),
                                cudaMemcpyDeviceToDevice, stream()));
      }));
    return 2.0 * static_cast<double>(bytes) / least;
  }();
  return rate;
}

/// Payload a second, and the fraction of the limit where `bytes_moved` says what moving at least
/// takes.
inline void report(benchmark::State& state, double payload, double bytes_moved) {
  using benchmark::Counter;
  state.counters["payload"] =
      Counter(payload, Counter::kIsIterationInvariantRate, Counter::kIs1000);
  if (bytes_moved > 0)
    state.counters["of_limit"] =
        Counter(bytes_moved / copy_rate(), Counter::kIsIterationInvariantRate);
}

inline bool there_is_a_device() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count > 0) return true;
  std::cout << "no CUDA device: " << cudaGetErrorString(error) << "; nothing is measured\n";
  return false;
}

/// Runs the benchmarks that `add_all` registers, if there is a device, as their `main`.
template <class AddAll>
int run_on_a_device(int argc, char** argv, const AddAll& add_all) {
  benchmark::Initialize(&argc, argv);
  if (!there_is_a_device()) return 0;
  benchmark::AddCustomContext("device", Device::open("cuda").info().description);
  add_all();
  benchmark::RunSpecifiedBenchmarks();
  ::benchmark::Shutdown();
  return 0;
}

}  // namespace multibuffer::bench
