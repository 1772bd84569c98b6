#include "cuda/kernels/global_memory.cuh"
#include "cuda/kernels/launch_ragged.hpp"
#include "cuda/kernels/ragged_rows_body.hpp"
#include "cuda/memory/check.hpp"
#include "host/support/rounding.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cub/device/device_scan.cuh>
#include <limits>

namespace multibuffer::cuda {
namespace {

constexpr int row_threads = 256;

__device__ std::int64_t thread_number() {
  return static_cast<std::int64_t>(blockIdx.x) * row_threads + threadIdx.x;
}

__device__ std::int64_t thread_count() {
  return static_cast<std::int64_t>(gridDim.x) * row_threads;
}

// Templates, since nvcc would compile the bodies of plain functions for the host as well.
template <class Access>
__global__ void __launch_bounds__(row_threads) look_up(const __grid_constant__ RowIndices rows) {
  const Access memory;
  for (std::int64_t first = thread_number() * batch; first < rows.rows;
       first += thread_count() * batch)
    look_up_rows(rows, memory, first);
}

template <class Access>
__global__ void __launch_bounds__(row_threads) offsets(const __grid_constant__ RowOffsets rows) {
  const Access memory;
  for (std::int64_t row = thread_number(); row <= rows.rows; row += thread_count())
    write_offset(rows, memory, row);
}

unsigned blocks_for(std::int64_t items) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  return static_cast<unsigned>(
      std::clamp<std::int64_t>(ceil_divide(items, std::int64_t{row_threads}), 1, most));
}

/// Sums 64-bit integers in their place or, without scratch memory, sets the bytes that it takes.
void sum_in_place(void* scratch, std::size_t& bytes, Address sums, std::int64_t rows,
                  cudaStream_t stream) {
  auto* const values = reinterpret_cast<std::int64_t*>(sums);
  MULTIBUFFER_CUDA_CHECK(
      cub::DeviceScan::InclusiveSum(scratch, bytes, values, values, rows, stream));
}

}  // namespace

void launch_look_up(const RowIndices& rows, cudaStream_t stream) {
  look_up<GlobalMemory>
      <<<blocks_for(ceil_divide(rows.rows, std::int64_t{batch})), row_threads, 0, stream>>>(rows);
  MULTIBUFFER_CUDA_CHECK(cudaGetLastError());
}

std::int64_t sum_bytes(std::int64_t rows) {
  std::size_t bytes = 0;
  sum_in_place(nullptr, bytes, 0, rows, nullptr);
  return static_cast<std::int64_t>(bytes);
}

void launch_offsets(const RowOffsets& rows, std::byte* scratch, std::int64_t scratch_bytes,
                    cudaStream_t stream) {
  auto bytes = static_cast<std::size_t>(scratch_bytes);
  if (rows.rows > 0) sum_in_place(scratch, bytes, rows.sums, rows.rows, stream);
  offsets<GlobalMemory><<<blocks_for(rows.rows + 1), row_threads, 0, stream>>>(rows);
  MULTIBUFFER_CUDA_CHECK(cudaGetLastError());
}

}  // namespace multibuffer::cuda
