// What gather.cu and compare.cu launch, as work of a fake stream: every thread of a small grid, one
// after the other.

#include "cuda/compare.hpp"
#include "cuda/compare_body.hpp"
#include "cuda/gather.hpp"
#include "tests/fake_cuda/fake_cuda.hpp"
#include "tests/kernel_grid.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace multibuffer::cuda {
namespace {

struct HostMemory {
  template <class T>
  T load(Address at) const {
    T value;
    std::memcpy(&value, reinterpret_cast<const void*>(at), sizeof(T));
    return value;
  }
  template <class T>
  T overhang(Address at) const {
    return load<T>(at);
  }
  template <class T>
  void store(Address at, T value) const {
    std::memcpy(reinterpret_cast<void*>(at), &value, sizeof(T));
  }
  void lower(Address at, std::uint64_t value) const {
    store(at, std::min(load<std::uint64_t>(at), value));
  }
};

constexpr testing::Grid grid{3, 32};

template <class Plan>
void launch_small(const Plan& plan, const KernelChoice& choice, cudaStream_t stream) {
  fake_cuda::enqueue(stream, [=] {
    HostMemory memory;
    for (std::uint32_t block = 0; block < grid.blocks; ++block)
      testing::run_small(plan, choice, memory, block, grid);
  });
}

}  // namespace

void launch_gather(const SmallPlan<std::int32_t>& plan, const KernelChoice& choice,
                   cudaStream_t stream) {
  launch_small(plan, choice, stream);
}
void launch_gather(const SmallPlan<std::int64_t>& plan, const KernelChoice& choice,
                   cudaStream_t stream) {
  launch_small(plan, choice, stream);
}
void launch_gather(const LargePlan& plan, const KernelChoice& choice, cudaStream_t stream) {
  fake_cuda::enqueue(stream, [=] {
    HostMemory memory;
    for (std::uint32_t block = 0; block < grid.blocks; ++block)
      testing::run_vectors<any_levels>(plan, choice, memory, block, grid);
  });
}

const void* any_gather_kernel() { return nullptr; }

Difference compare(const Comparands& arrays, cudaStream_t stream) {
  cudaStreamSynchronize(stream);
  HostMemory memory;
  Difference all;
  for (std::int64_t block = 0; block < arrays.blocks(); ++block)
    all = Together{}(all, compare_block(arrays, memory, block));
  return all;
}

}  // namespace multibuffer::cuda
