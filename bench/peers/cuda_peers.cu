// Rows and elements by CUDA and its own libraries, for Python to call through ctypes: every
// function enqueues on `stream` and returns a cudaError_t.

#include <cuda_runtime_api.h>
#include <thrust/device_ptr.h>
#include <thrust/execution_policy.h>
#include <thrust/gather.h>

#include <cstddef>
#include <cstdint>
#include <cub/device/device_memcpy.cuh>
#include <exception>
#include <vector>

namespace {

template <class Element>
void gather(const std::int32_t* map, std::int64_t count, const void* from, void* to,
            cudaStream_t stream) {
  const auto first = thrust::device_pointer_cast(map);
  thrust::gather(thrust::cuda::par_nosync.on(stream), first, first + count,
                 thrust::device_pointer_cast(static_cast<const Element*>(from)),
                 thrust::device_pointer_cast(static_cast<Element*>(to)));
}

}  // namespace

extern "C" {

/// Elements of 4 or 8 bytes, at indices on the device.
int thrust_gather(const std::int32_t* map, std::int64_t count, const void* from, void* to,
                  int itemsize, cudaStream_t stream) {
  try {
    if (itemsize == 4)
      gather<std::uint32_t>(map, count, from, to, stream);
    else
      gather<std::uint64_t>(map, count, from, to, stream);
  } catch (const std::exception&) {
    return cudaErrorUnknown;
  }
  return cudaGetLastError();
}

/// Blocks of memory by tables of addresses and sizes, all on the device. Without `scratch` it only
/// says how much of that it needs.
int cub_batched(void* scratch, std::size_t* scratch_bytes, void** sources, void** targets,
                std::uint32_t* sizes, std::int64_t count, cudaStream_t stream) {
  return cub::DeviceMemcpy::Batched(scratch, *scratch_bytes, sources, targets, sizes, count,
                                    stream);
}

/// A copy for each row: from addresses in a table on the host, to one block on the device.
int copy_rows(const void* const* rows, std::int64_t count, std::size_t row_bytes, char* to,
              cudaStream_t stream) {
  for (std::int64_t i = 0; i < count; ++i) {
    const cudaError_t error = cudaMemcpyAsync(to + static_cast<std::size_t>(i) * row_bytes, rows[i],
                                              row_bytes, cudaMemcpyDefault, stream);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

/// Copies the rows as one batch. Making the tables that it needs is part of the work.
int copy_rows_as_batch(const void* const* rows, std::int64_t count, std::size_t row_bytes, char* to,
                       cudaStream_t stream) {
#if CUDART_VERSION >= 13000
  std::vector<const void*> sources(rows, rows + count);
  std::vector<void*> targets(sources.size());
  const std::vector<std::size_t> sizes(sources.size(), row_bytes);
  for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = to + i * row_bytes;
  cudaMemcpyAttributes attributes{};
  attributes.srcAccessOrder = cudaMemcpySrcAccessOrderStream;
  std::size_t first = 0;
  return cudaMemcpyBatchAsync(targets.data(), sources.data(), sizes.data(), sizes.size(),
                              &attributes, &first, 1, stream);
#else
  return cudaErrorNotSupported;
#endif
}

}  // extern "C"
