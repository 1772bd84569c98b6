#pragma once

#include "cuda/kernels/tiles_body.hpp"

#include <cuda_pipeline_primitives.h>

#include <cstdint>
#include <type_traits>

namespace multibuffer::cuda {

/// Device memory, as the kernels' bodies access it. Reads take the read-only path: no kernel here
/// writes the data that it reads. The intrinsics, unlike a pointer made from an integer, tell the
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
  __device__ T over_read(Address at) const {
    return load<T>(at);  // tests check the rest of the word; on a device no load of it faults
  }

  template <class T>
  __device__ void store(Address at, T value) const {
    if constexpr (std::is_same_v<T, Bytes16>)
      __stwb(reinterpret_cast<ulonglong2*>(at), ulonglong2{value.low, value.high});
    else
      __stwb(reinterpret_cast<LongLong<T>*>(at), static_cast<LongLong<T>>(value));
  }

  __device__ void atomic_min(Address at, std::uint64_t value) const {
    atomicMin(reinterpret_cast<unsigned long long*>(at), value);
  }

 private:
  // The intrinsics take long long where std::int64_t is long.
  template <class T>
  using LongLong =
      std::conditional_t<std::is_same_v<T, std::uint64_t>, unsigned long long,
                         std::conditional_t<std::is_same_v<T, std::int64_t>, long long, T>>;
};

/// A block's shared memory, as the bodies of transposes access it.
template <class Word>
struct SharedTiles {
  Word* words;
  Address* rows;
  Tile* all;

  __device__ void set_tile(int n, const Tile& tile) const { all[n] = tile; }
  __device__ Tile tile(int n) const { return all[n]; }
  __device__ void set_row(int row, Address at) const { rows[row] = at; }
  __device__ Address row(int n) const { return rows[n]; }

  /// Copies without registers, on devices that can. `barrier` waits for it.
  __device__ void fetch(int slot, Address at) const {
    __pipeline_memcpy_async(words + slot, reinterpret_cast<const void*>(at), sizeof(Word));
  }
  __device__ void put(int slot, const Word& word) const { words[slot] = word; }
  __device__ Word take(int slot) const { return words[slot]; }

  /// Waits until every word that the block's threads have fetched and put is there.
  __device__ static void barrier() {
    __pipeline_commit();
    __pipeline_wait_prior(0);
    __syncthreads();
  }
};

}  // namespace multibuffer::cuda
