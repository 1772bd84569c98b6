#pragma once

#include "host/gather_plan.hpp"

#include <cstdint>

namespace multibuffer::cuda {

/// How a gather is spread over threads.
enum class Family {
  copy,      ///< no kernel: one contiguous run, which the copy engine's own code does best
  elements,  ///< a vector a thread and step: rows of one vector, or of an awkward few
  rows,      ///< a row to a group of threads, which share the cost of finding it
};

/// The number of levels is known to the compiler up to `compiled_levels`, which keeps positions in
/// registers; `any_levels` stands for a run-time count.
inline constexpr int compiled_levels = 2;
inline constexpr int any_levels = -1;

/// What a plan passed as a kernel parameter has room for. The others go through device memory.
inline constexpr int small_axes = 9;
inline constexpr int small_indices = 4;

inline constexpr int threads_per_block = 256;
/// How many rows or elements a thread has in flight: all are loaded before the first is stored.
inline constexpr int batch = 4;
inline constexpr int warp_lanes = 32;

struct KernelChoice {
  Family family = Family::copy;
  int vector_bytes = 1;    ///< of one load and store: 16, 8, 4, 2 or 1
  bool wide = false;       ///< 64-bit index arithmetic
  int levels = 0;          ///< 0 ... compiled_levels, or any_levels
  int lanes = 1;           ///< rows: threads per row, a power of two up to a warp
  std::int64_t piece = 0;  ///< rows: how many vectors of a row a group takes at a time

  bool operator==(const KernelChoice&) const = default;
};

/// Picks the kernel for a plan with rows to do.
KernelChoice choose_kernel(const GatherPlan& plan);

/// The widest vector at which every address that the plan reads or writes is aligned.
int common_vector(const GatherPlan& plan);

/// The plan's number of levels, or `any_levels` if it is too large for the kernel's parameters.
int levels_for(const GatherPlan& plan, Family family);

/// Whether all counts and positions fit into 31 bits, leaf and output ones in vectors. For plans of
/// at most `compiled_levels` levels.
bool fits_31_bits(const GatherPlan& plan, const KernelChoice& choice);

/// Threads' items of work: elements or, for `rows`, pieces of rows.
std::int64_t work_items(const GatherPlan& plan, const KernelChoice& choice);

}  // namespace multibuffer::cuda
