#pragma once

#include "tests/cuda/kernel_grid/run_block.hpp"

#include <cstdint>

namespace multibuffer::testing {

/// Runs a block of family `F`. The instantiation is in a source of the family's name, where
/// run_family_body.hpp is included: compiling all of them in one takes more than a minute.
template <class F>
void run_family(const cuda::KernelPlan& plan, const cuda::KernelChoice& choice,
                KernelMemory& memory, std::uint32_t block, const Grid& grid);

}  // namespace multibuffer::testing
