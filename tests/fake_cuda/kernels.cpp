// Runs the kernels that launch.cpp, launch_ragged.cpp, ragged_rows.cu and compare.cu launch as work
// of a fake stream: every thread of a small grid, one after the other.

#include "cuda/kernels/compare.hpp"
#include "cuda/kernels/compare_body.hpp"
#include "cuda/kernels/launch.hpp"
#include "cuda/kernels/launch_ragged.hpp"
#include "cuda/memory/check.hpp"
#include "tests/cuda/kernel_grid/run_block.hpp"
#include "tests/cuda/kernel_grid/run_ragged.hpp"
#include "tests/fake_cuda/fake_cuda.hpp"
#include "tests/testing/own_work.hpp"

#include <algorithm>
#include <cfenv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <numeric>
#include <utility>
#include <variant>

namespace multibuffer::cuda {
namespace {

class HostMemory final : public testing::KernelMemory {
 public:
  void atomic_min(Address at, std::uint64_t value) override {
    store(at, std::min(load<std::uint64_t>(at), value));
  }

 private:
  void read(Address at, std::size_t bytes, void* value) override {
    std::memcpy(value, reinterpret_cast<const void*>(at), bytes);
  }
  void read_beyond(Address at, std::size_t bytes, void* value) override { read(at, bytes, value); }
  void write(Address at, std::size_t bytes, const void* value) override {
    std::memcpy(reinterpret_cast<void*>(at), value, bytes);
  }
};

constexpr testing::Grid grid{3, 32};

/// A GPU's threads know nothing of how this one rounds and what it flushes to zero.
class DefaultFloats {
 public:
  DefaultFloats() {
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultFloats() { std::fesetenv(&before_); }
  DefaultFloats(const DefaultFloats&) = delete;
  DefaultFloats& operator=(const DefaultFloats&) = delete;

 private:
  std::fenv_t before_{};
};

/// Enqueues a kernel, whose launch may fail. What it takes to remember it is not the library's.
template <class Kernel>
void launch(cudaStream_t stream, Address out, const Kernel& kernel) {
  std::function<void()> work;
  {
    const testing::OwnWork own;
    work = kernel;
  }
  const cudaError_t error =
      fake_cuda::launch(stream, std::move(work), reinterpret_cast<const void*>(out));
  if (error != cudaSuccess) throw_cuda_failure(error, "cudaLaunchKernel", __FILE__, __LINE__);
}

}  // namespace

void launch_gather(const KernelPlan& plan, const KernelChoice& choice, cudaStream_t stream) {
  const auto out = std::visit([](const auto& parameter) { return parameter.out; }, plan);
  launch(stream, out, [=] {
    const DefaultFloats floats;
    HostMemory memory;
    for (std::uint32_t block = 0; block < grid.blocks; ++block)
      testing::run_block(plan, choice, memory, block, grid);
  });
}

const void* any_gather_kernel() { return nullptr; }

void launch_ragged(const RaggedKernel& kernel, cudaStream_t stream) {
  const auto out = std::visit([](const auto& plan) { return plan.out; }, kernel.plan);
  launch(stream, out, [=] {
    const DefaultFloats floats;
    HostMemory memory;
    for (std::uint32_t block = 0; block < grid.blocks; ++block)
      testing::run_ragged_block(kernel, memory, block, grid);
  });
}

void launch_look_up(const RowIndices& rows, cudaStream_t stream) {
  launch(stream, rows.entries, [=] {
    HostMemory memory;
    testing::run_look_up(rows, memory);
  });
}

std::int64_t sum_bytes(std::int64_t) { return 1; }

void launch_offsets(const RowOffsets& rows, std::byte*, std::int64_t, cudaStream_t stream) {
  launch(stream, reinterpret_cast<Address>(rows.offsets.data), [=] {
    auto* const sums = reinterpret_cast<std::int64_t*>(rows.sums);
    std::partial_sum(sums, sums + rows.rows, sums);
    HostMemory memory;
    testing::run_offsets(rows, memory);
  });
}

Difference compare(const Comparands& arrays, cudaStream_t stream) {
  launch(stream, 0, [] {});
  MULTIBUFFER_CUDA_CHECK(cudaStreamSynchronize(stream));
  HostMemory memory;
  Difference all;
  for (std::int64_t block = 0; block < arrays.blocks(); ++block)
    all = Combine{}(all, compare_block(arrays, memory, block));
  return all;
}

}  // namespace multibuffer::cuda
