// What gather.cu and compare.cu launch, as work of a fake stream: every thread of a small grid, one
// after the other.

#include "cuda/compare.hpp"
#include "cuda/compare_body.hpp"
#include "cuda/gather.hpp"
#include "cuda/gather_body.hpp"
#include "tests/fake_cuda/fake_cuda.hpp"

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
  T stream(Address at) const {
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

constexpr std::uint32_t blocks = 3;
constexpr std::uint32_t threads = 32;

template <class Vector, int Levels, class Plan>
void run(const Plan& plan, const KernelChoice& choice) {
  HostMemory memory;
  for (std::uint32_t block = 0; block < blocks; ++block)
    for (std::uint32_t thread = 0; thread < threads; ++thread) {
      const Place place{block, blocks, thread, threads};
      if (choice.family == Family::rows)
        gather_rows<Vector, Levels>(plan, memory, place);
      else
        gather_elements<Vector, Levels>(plan, memory, place);
    }
}

template <int Levels, class Plan>
void run(const Plan& plan, const KernelChoice& choice) {
  switch (choice.vector_bytes) {
    case 16:
      return run<Bytes16, Levels>(plan, choice);
    case 8:
      return run<std::uint64_t, Levels>(plan, choice);
    case 4:
      return run<std::uint32_t, Levels>(plan, choice);
    case 2:
      return run<std::uint16_t, Levels>(plan, choice);
    default:
      return run<std::uint8_t, Levels>(plan, choice);
  }
}

template <class Plan>
void launch_small(const Plan& plan, const KernelChoice& choice, cudaStream_t stream) {
  fake_cuda::enqueue(stream, [=] {
    if (choice.levels == 0) run<0>(plan, choice);
    if (choice.levels == 1) run<1>(plan, choice);
    if (choice.levels == 2) run<2>(plan, choice);
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
  fake_cuda::enqueue(stream, [=] { run<any_levels>(plan, choice); });
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
