#include "tests/cuda/kernel_grid/run_ragged.hpp"

#include "cuda/kernels/ragged_rows_body.hpp"

namespace multibuffer::testing {

void run_ragged_block(const cuda::RaggedKernel& kernel, KernelMemory& memory, std::uint32_t block,
                      const Grid& grid) {
  switch (kernel.body) {
    case cuda::RaggedBody::words:
      return run_ragged_body<cuda::RaggedBody::words>(kernel, memory, block, grid);
    case cuda::RaggedBody::numbers:
      return run_ragged_body<cuda::RaggedBody::numbers>(kernel, memory, block, grid);
    case cuda::RaggedBody::float8:
      return run_ragged_body<cuda::RaggedBody::float8>(kernel, memory, block, grid);
  }
}

void run_look_up(const cuda::RowIndices& rows, KernelMemory& memory) {
  for (std::int64_t row = 0; row < rows.rows; row += cuda::batch)
    cuda::look_up_rows(rows, memory, row);
}

void run_offsets(const cuda::RowOffsets& rows, KernelMemory& memory) {
  for (std::int64_t row = 0; row <= rows.rows; ++row) cuda::write_offset(rows, memory, row);
}

}  // namespace multibuffer::testing
