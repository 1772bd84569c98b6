#pragma once

#include "host/bytes/simd.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace multibuffer {

/// Copies items that lie evenly, in either direction, to successive places. Each cache line of the
/// output is put together in a register and leaves from there, where the processor permutes the
/// bytes of one.
class PermuteItems {
 public:
  /// The stride is in bytes.
  PermuteItems(std::int64_t stride, std::int64_t item_bytes);

  /// Whether the processor does it: for items that a line is made of, a few in reach of one load.
  bool is_fast() const { return at_once_ > 0; }

  /// `count` items to `to`, a multiple of their size; no byte between items is read. If
  /// `streaming`, whole lines go past the caches, and `finish_streaming` comes after a thread's
  /// last. To be called only where `is_fast`.
  void operator()(std::byte* to, const std::byte* from, std::int64_t count, bool streaming) const;

 private:
  template <std::size_t... Load>
  void make_lines(std::byte* to, const std::byte* from, std::int64_t lines, bool streaming,
                  std::index_sequence<Load...> loads) const;

  std::int64_t stride_;
  std::int64_t item_bytes_;
  std::int64_t at_once_ = 0;  ///< how many items a load reads
  std::uint64_t wanted_ = 0;  ///< the bytes of a load that are items'
  std::array<std::byte, static_cast<std::size_t>(line_bytes)> lanes_{};
};

}  // namespace multibuffer
