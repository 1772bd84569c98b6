#pragma once

#include "cuda/plan/kernel_choice.hpp"
#include "cuda/plan/kernel_plan.hpp"

#include <cstddef>
#include <cstdint>

/// Grids of kernels' bodies, thread after thread on the CPU.
namespace multibuffer::testing {

/// Memory as a body touches it. One class for all that tests put there, so that the many bodies are
/// compiled for one alone.
class KernelMemory {
 public:
  template <class T>
  T load(cuda::Address at) {
    T value{};
    read(at, sizeof(T), &value);
    return value;
  }
  /// Of an aligned word, of which a part may lie outside of what was named.
  template <class T>
  T overhang(cuda::Address at) {
    T value{};
    read_overhang(at, sizeof(T), &value);
    return value;
  }
  template <class T>
  void store(cuda::Address at, const T& value) {
    write(at, sizeof(T), &value);
  }
  virtual void lower(cuda::Address at, std::uint64_t value) = 0;

 protected:
  ~KernelMemory() = default;

 private:
  virtual void read(cuda::Address at, std::size_t bytes, void* value) = 0;
  virtual void read_overhang(cuda::Address at, std::size_t bytes, void* value) = 0;
  virtual void write(cuda::Address at, std::size_t bytes, const void* value) = 0;
};

struct Grid {
  std::uint32_t blocks = 1;
  std::uint32_t threads = cuda::threads_per_block;
};

/// One block of the grid. Other families than `elements` count in 64 bits in large plans alone; see
/// `choose_kernel`.
void run_block(const cuda::SmallPlan<std::int32_t>& plan, const cuda::KernelChoice& choice,
               KernelMemory& memory, std::uint32_t block, const Grid& grid);
void run_block(const cuda::SmallPlan<std::int64_t>& plan, const cuda::KernelChoice& choice,
               KernelMemory& memory, std::uint32_t block, const Grid& grid);
void run_block(const cuda::LargePlan& plan, const cuda::KernelChoice& choice, KernelMemory& memory,
               std::uint32_t block, const Grid& grid);

}  // namespace multibuffer::testing
