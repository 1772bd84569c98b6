#pragma once

#include "host/bytes/simd.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace multibuffer {

/// Copies items that lie at one stride, in either direction, to successive places. Each cache line
/// of the output is assembled in a register and stored from there, on processors that permute the
/// bytes of one.
class PermuteItems {
 public:
  /// The stride is in bytes. Only for what `can_permute`.
  PermuteItems(std::int64_t stride, std::int64_t item_bytes);

  /// Returns true if the processor permutes these: items that a cache line is made of, a few in
  /// reach of one load.
  static bool can_permute(std::int64_t stride, std::int64_t item_bytes) {
    return items_in_load(stride, item_bytes) > 0;
  }

  /// Copies `count` items to `to`, a multiple of their size; no byte between items is read. If
  /// `nontemporal`, whole lines are written by non-temporal stores, and a thread must call
  /// `nontemporal_fence` after its last call.
  void operator()(std::byte* to, const std::byte* from, std::int64_t count, bool nontemporal) const;

 private:
  static std::int64_t items_in_load(std::int64_t stride, std::int64_t item_bytes);
  template <std::size_t... Load>
  void make_lines(std::byte* to, const std::byte* from, std::int64_t lines, bool nontemporal,
                  std::index_sequence<Load...> loads) const;

  std::int64_t stride_;
  std::int64_t item_bytes_;
  std::int64_t at_once_;      ///< items that a load reads
  std::uint64_t wanted_ = 0;  ///< the bytes of a load that are items'
  std::array<std::byte, static_cast<std::size_t>(cache_line_bytes)> lanes_{};
};

}  // namespace multibuffer
