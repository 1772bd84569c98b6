// Runs the kernels that launch.cpp and compare.cu launch as work of a fake stream: every thread of
// a small grid, one after the other.

#include "cuda/kernels/compare.hpp"
#include "cuda/kernels/compare_body.hpp"
#include "cuda/kernels/launch.hpp"
#include "tests/cuda/kernel_grid/run_block.hpp"
#include "tests/fake_cuda/fake_cuda.hpp"

#include <algorithm>
#include <cfenv>
#include <cstddef>
#include <cstdint>
#include <cstring>
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

}  // namespace

void launch_gather(const KernelPlan& plan, const KernelChoice& choice, cudaStream_t stream) {
  const auto out = std::visit([](const auto& parameter) { return parameter.out; }, plan);
  fake_cuda::enqueue(
      stream,
      [=] {
        const DefaultFloats floats;
        HostMemory memory;
        for (std::uint32_t block = 0; block < grid.blocks; ++block)
          testing::run_block(plan, choice, memory, block, grid);
      },
      reinterpret_cast<const void*>(out));
}

const void* any_gather_kernel() { return nullptr; }

Difference compare(const Comparands& arrays, cudaStream_t stream) {
  cudaStreamSynchronize(stream);
  HostMemory memory;
  Difference all;
  for (std::int64_t block = 0; block < arrays.blocks(); ++block)
    all = Combine{}(all, compare_block(arrays, memory, block));
  return all;
}

}  // namespace multibuffer::cuda
