#pragma once

#include <multibuffer/stages/sequence.hpp>

#include <cstdint>
#include <span>

namespace multibuffer {

/// Facts that one pass over addresses finds, or over window offsets that stand for them.
struct AddressFacts {
  std::int64_t count = 0;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t least = ~std::uint64_t{0};
  std::uint64_t most = 0;
  /// The bits in which any address differs from the first. Only the lowest one is used; it stays
  /// where it is when all addresses are moved by one distance.
  std::uint64_t differences = 0;
  bool rising = true;  ///< strictly
  bool falling = true;

  void add(std::span<const std::int64_t> addresses);
  void add(std::span<const std::uint32_t> offsets);
  /// Adds the facts of addresses that follow these.
  void append(const AddressFacts& next);
  /// Moves all addresses by `distance`.
  void move(std::int64_t distance);
};

/// Distinct addresses, and which of them each given address is.
struct Distinct {
  Sequence addresses;  ///< in order of first appearance
  Sequence ids;        ///< for each given address, its index in `addresses`
};

/// Assigns each distinct address an id, in order of first appearance. Duplicates are rare, so the
/// cheap proofs that there are none come first: a strictly monotonic list has none; else a bitmap
/// over the address range decides, where the range is small enough, and assigns the ids if there
/// are duplicates; else a hash table.
///
/// Scratch memory, bytes per address: 8 while deciding; then 24 (bitmaps) or 32 (hash table; 16
/// below 2^31 addresses).
Distinct assign_ids(LargeVector<std::int64_t> addresses, const AddressFacts& facts);

/// Assigns ids to window offsets, which stand for addresses.
Distinct assign_ids(LargeVector<std::uint32_t> offsets);

}  // namespace multibuffer
