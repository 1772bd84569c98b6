#pragma once

/// What headers need that g++, clang, nvcc and NVRTC all compile. They include nothing of the
/// library but each other, need C++17, and nothing beyond the language under NVRTC, which has no
/// standard library.

/// A function that kernels may call, too. Users have no --expt-relaxed-constexpr, so that constexpr
/// functions need it as well.
#ifdef __CUDACC__
#define MULTIBUFFER_HOST_DEVICE __host__ __device__
#else
#define MULTIBUFFER_HOST_DEVICE
#endif

/// Unrolls the loop behind it on a device. The arrays that it indexes are then in registers; else
/// they would be in local memory.
#ifdef __CUDA_ARCH__
#define MULTIBUFFER_UNROLL _Pragma("unroll")
#else
#define MULTIBUFFER_UNROLL
#endif

/// With MULTIBUFFER_CHECKED defined, views check each index and stop the program, or the kernel, at
/// one that is out of range, after a line that names it. The types are then others, so that parts
/// of a program which check and parts which do not can be linked together.
#ifdef MULTIBUFFER_CHECKED
#define MULTIBUFFER_VIEWS v1_checked
#else
#define MULTIBUFFER_VIEWS v1
#endif

#ifndef __CUDACC_RTC__
#include <cstddef>
#include <cstdint>
#ifdef MULTIBUFFER_CHECKED
#include <cstdio>
#include <cstdlib>
#endif
#endif

namespace multibuffer::device_code {

#ifdef __CUDACC_RTC__
using Int64 = long long;
using UInt64 = unsigned long long;
using UInt32 = unsigned int;
#else
using Int64 = std::int64_t;
using UInt64 = std::uint64_t;
using UInt32 = std::uint32_t;
#endif
static_assert(sizeof(Int64) == 8 && sizeof(UInt32) == 4 && sizeof(void*) == 8);

inline namespace MULTIBUFFER_VIEWS {

#ifdef MULTIBUFFER_CHECKED
#ifdef __CUDA_ARCH__
#define MULTIBUFFER_STOP(...) (printf("multibuffer: " __VA_ARGS__), __trap())
#else
#define MULTIBUFFER_STOP(...) (std::fprintf(stderr, "multibuffer: " __VA_ARGS__), std::abort())
#endif
/// Stops at an index. `%lld` is the one length that every printf has.
MULTIBUFFER_HOST_DEVICE inline void stop_at(int axis, Int64 index, Int64 extent) {
  MULTIBUFFER_STOP("index %lld on axis %d, whose extent is %lld\n", static_cast<long long>(index),
                   axis, static_cast<long long>(extent));
}
MULTIBUFFER_HOST_DEVICE inline void stop_at_rows(int axis) {
  MULTIBUFFER_STOP("no rows along axis %d, which counts entries of a pointer table\n", axis);
}
#undef MULTIBUFFER_STOP
#endif

/// Stops at an index outside of [0, extent), in a program that asks for it.
MULTIBUFFER_HOST_DEVICE constexpr void check_index(int axis, Int64 index, Int64 extent) {
#ifdef MULTIBUFFER_CHECKED
  if (static_cast<UInt64>(index) >= static_cast<UInt64>(extent)) stop_at(axis, index, extent);
#else
  static_cast<void>(axis);
  static_cast<void>(index);
  static_cast<void>(extent);
#endif
}

/// Likewise, at a row of an array that has none.
MULTIBUFFER_HOST_DEVICE constexpr void check_rows(bool has_rows, int axis) {
#ifdef MULTIBUFFER_CHECKED
  if (!has_rows) stop_at_rows(axis);
#else
  static_cast<void>(has_rows);
  static_cast<void>(axis);
#endif
}

}  // namespace MULTIBUFFER_VIEWS

/// An element type by its constness, which is the direction in which a view goes: const elements
/// are read from const bytes, others would be written to as well.
template <class T>
struct Element {
  static constexpr bool is_const = false;
  using Value = T;
  using Bytes = unsigned char;
};
template <class T>
struct Element<const T> {
  static constexpr bool is_const = true;
  using Value = T;
  using Bytes = const unsigned char;
};
template <class T>
using Bytes = typename Element<T>::Bytes;
template <class T>
using Value = typename Element<T>::Value;

/// The size of an array of `count` members: at least one, since C++ knows no empty arrays.
using Slots = decltype(sizeof 0);
MULTIBUFFER_HOST_DEVICE constexpr Slots slots(int count) {
  return count > 1 ? static_cast<Slots>(count) : 1;
}

/// What every view asks of its element type.
template <class T>
struct Readable {
  static_assert(__is_trivially_copyable(T), "elements are bytes in memory: trivially copyable");
  static_assert(
      Element<T>::is_const,
      "views are read-only, so ask for const elements: entries of a table may lead to one "
      "row, and rows that shared memory may have been copied apart, so that what is "
      "written through one would not show in the other");
  static constexpr bool ok = true;
};

/// The element `offset` bytes from `base`. A device finds out of a pointer that it leads to global
/// memory. On the host, where the base of an array in place is null and its offsets are addresses,
/// nothing may be added to a pointer, and numbers are added instead.
template <class T>
MULTIBUFFER_HOST_DEVICE inline T* element_at(Bytes<T>* base, Int64 offset) {
#ifdef __CUDA_ARCH__
  return reinterpret_cast<T*>(base + offset);
#else
  return reinterpret_cast<T*>(reinterpret_cast<UInt64>(base) + static_cast<UInt64>(offset));
#endif
}

/// The element `offset` bytes from another one in the same row.
template <class T>
MULTIBUFFER_HOST_DEVICE inline T* element_after(T* first, Int64 offset) {
  return reinterpret_cast<T*>(reinterpret_cast<Bytes<T>*>(first) + offset);
}

/// The entry at `position` of an offset array, of 64 bits or, unsigned, of 32.
MULTIBUFFER_HOST_DEVICE inline Int64 entry_at(const void* table, bool is_wide, Int64 position) {
  return is_wide ? static_cast<const Int64*>(table)[position]
                 : static_cast<Int64>(static_cast<const UInt32*>(table)[position]);
}

}  // namespace multibuffer::device_code
