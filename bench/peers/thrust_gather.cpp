#include <thrust/device_ptr.h>
#include <thrust/gather.h>

#include <cstdint>

// thrust::gather of 4-byte elements on whichever system this is compiled for: OpenMP or TBB.
extern "C" void gather(const std::int64_t* indices, std::int64_t count, const std::int32_t* from,
                       std::int32_t* to) {
  const auto pointer = [](auto* raw) { return thrust::device_pointer_cast(raw); };
  thrust::gather(pointer(indices), pointer(indices + count), pointer(from), pointer(to));
}
