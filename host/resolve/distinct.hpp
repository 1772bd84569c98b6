#pragma once

#include <multibuffer/stages/sequence.hpp>

#include <cstdint>
#include <span>

namespace multibuffer {

/// What one pass over addresses tells, or over numbers that stand for them.
struct AddressFacts {
  std::int64_t count = 0;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t least = ~std::uint64_t{0};
  std::uint64_t most = 0;
  /// Bits in which any differs from the first. The lowest is what matters: it stays where it is
  /// when all are moved.
  std::uint64_t differences = 0;
  bool rising = true;  ///< strictly
  bool falling = true;

  void add(std::span<const std::int64_t> addresses);
  void add(std::span<const std::uint32_t> places);
  /// The facts of addresses that come behind these.
  void append(const AddressFacts& next);
  /// The facts of the same addresses moved on by `distance`.
  void move(std::int64_t distance);
};

/// Addresses with the repetitions taken out.
struct Distinct {
  Sequence addresses;  ///< in order of first appearance
  Sequence ids;        ///< where each address given is in `addresses`
};

/// Numbers addresses by first appearance. Mostly nothing repeats, which is found out without
/// hashing: by their order, else by bitmaps if they lie close enough together, which then number
/// what does repeat, too.
///
/// Memory beyond the addresses and the result, an address, at the most: 8 bytes while bitmaps tell
/// whether any repeats; where some do, 24 for bitmaps and counts, or 32 for a table (16 for fewer
/// than 2^31 addresses).
Distinct number_distinct(LargeVector<std::int64_t> addresses, const AddressFacts& facts);

/// The same for places that stand for addresses.
Distinct number_distinct(LargeVector<std::uint32_t> places);

}  // namespace multibuffer
