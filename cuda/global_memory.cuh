#pragma once

#include "cuda/kernel_plan.hpp"

#include <cstdint>
#include <type_traits>

namespace multibuffer::cuda {

/// Device memory, as the kernels' bodies touch it. Reads go through the read-only path: no kernel
/// here writes what it reads. The intrinsics, unlike a pointer made from an integer, tell the
/// compiler that this is global memory.
struct GlobalMemory {
  template <class T>
  __device__ T load(Address at) const {
    if constexpr (std::is_same_v<T, Bytes16>) {
      const ulonglong2 value = __ldg(reinterpret_cast<const ulonglong2*>(at));
      return {value.x, value.y};
    } else {
      return static_cast<T>(__ldg(reinterpret_cast<const LongLong<T>*>(at)));
    }
  }

  template <class T>
  __device__ T stream(Address at) const {
    if constexpr (std::is_same_v<T, Bytes16>) {
      Bytes16 value;
      asm("ld.global.nc.L1::no_allocate.v2.u64 {%0, %1}, [%2];"
          : "=l"(value.low), "=l"(value.high)
          : "l"(at));
      return value;
    } else {
      return load<T>(at);
    }
  }

  template <class T>
  __device__ void store(Address at, T value) const {
    if constexpr (std::is_same_v<T, Bytes16>)
      __stwb(reinterpret_cast<ulonglong2*>(at), ulonglong2{value.low, value.high});
    else
      __stwb(reinterpret_cast<LongLong<T>*>(at), static_cast<LongLong<T>>(value));
  }

  __device__ void lower(Address at, std::uint64_t value) const {
    atomicMin(reinterpret_cast<unsigned long long*>(at), value);
  }

 private:
  // The intrinsics take long long where std::int64_t is long.
  template <class T>
  using LongLong =
      std::conditional_t<std::is_same_v<T, std::uint64_t>, unsigned long long,
                         std::conditional_t<std::is_same_v<T, std::int64_t>, long long, T>>;
};

}  // namespace multibuffer::cuda
