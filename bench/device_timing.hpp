#pragma once

#include <multibuffer/cuda/stream.hpp>

#include <benchmark/benchmark.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <utility>
#include <vector>

// What the device benchmarks share: memory, a stream, and time by events on it.

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

/// Times `work`, which enqueues on `stream()`, by events around it.
template <class Work>
void time_on_device(benchmark::State& state, const Work& work) {
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;
  require(cudaEventCreate(&begin));
  require(cudaEventCreate(&end));
  work();  // what is done once is not part of it
  finish();
  for (auto _ : state) {
    require(cudaEventRecord(begin, stream()));
    work();
    require(cudaEventRecord(end, stream()));
    require(cudaEventSynchronize(end));
    float milliseconds = 0;
    require(cudaEventElapsedTime(&milliseconds, begin, end));
    state.SetIterationTime(static_cast<double>(milliseconds) / 1000);
  }
  require(cudaEventDestroy(begin));
  require(cudaEventDestroy(end));
}

/// Bytes a second, read and written, that a copy on the device reaches: the best of some, of 1 GiB.
inline double copy_rate() {
  static const double rate = [] {
    const std::int64_t bytes = std::int64_t{1} << 30;
    const DeviceBlock from(bytes), to(bytes);
    cudaEvent_t begin = nullptr;
    cudaEvent_t end = nullptr;
    require(cudaEventCreate(&begin));
    require(cudaEventCreate(&end));
    float least = 0;
    for (int i = 0; i < 10; ++i) {
      require(cudaEventRecord(begin, stream()));
      require(cudaMemcpyAsync(to.data(), from.data(), static_cast<std::size_t>(bytes),
                              cudaMemcpyDeviceToDevice, stream()));
      require(cudaEventRecord(end, stream()));
      require(cudaEventSynchronize(end));
      float milliseconds = 0;
      require(cudaEventElapsedTime(&milliseconds, begin, end));
      if (i == 0 || milliseconds < least) least = milliseconds;
    }
    require(cudaEventDestroy(begin));
    require(cudaEventDestroy(end));
    return 2e3 * static_cast<double>(bytes) / static_cast<double>(least);
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

}  // namespace multibuffer::bench
