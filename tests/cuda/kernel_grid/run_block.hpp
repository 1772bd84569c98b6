#pragma once

#include "cuda/kernels/kernel_plan.hpp"

#include <cstddef>
#include <cstdint>

/// Runs grids of kernels' bodies on the CPU, thread after thread.
namespace multibuffer::testing {

/// Memory as a body accesses it. It is one class for all tests, so that the many bodies are
/// compiled only once.
class KernelMemory {
 public:
  template <class T>
  T load(cuda::Address at) {
    T value{};
    read(at, sizeof(T), &value);
    return value;
  }
  /// Loads an aligned word of which a part may lie outside of the memory that was allowed.
  template <class T>
  T over_read(cuda::Address at) {
    T value{};
    read_beyond(at, sizeof(T), &value);
    return value;
  }
  template <class T>
  void store(cuda::Address at, const T& value) {
    write(at, sizeof(T), &value);
  }
  virtual void atomic_min(cuda::Address at, std::uint64_t value) = 0;

 protected:
  ~KernelMemory() = default;

 private:
  virtual void read(cuda::Address at, std::size_t bytes, void* value) = 0;
  virtual void read_beyond(cuda::Address at, std::size_t bytes, void* value) = 0;
  virtual void write(cuda::Address at, std::size_t bytes, const void* value) = 0;
};

struct Grid {
  std::uint32_t blocks = 1;
  std::uint32_t threads = cuda::threads_per_block;
};

/// Runs one block of the grid. Plans in 64 bits are large ones, except for families that have
/// `has_wide_small_plans`.
void run_block(const cuda::KernelPlan& plan, const cuda::KernelChoice& choice, KernelMemory& memory,
               std::uint32_t block, const Grid& grid);

}  // namespace multibuffer::testing
