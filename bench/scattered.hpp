#pragma once

#include <bit>
#include <cstdint>

namespace multibuffer::bench {

/// A permutation of [0, count), a power of two, that is as good as a shuffle for caches and costs
/// a few cycles a number: each step can be undone, and mixes high bits into low ones or back.
constexpr std::int64_t scattered(std::int64_t number, std::int64_t count) {
  const auto mask = static_cast<std::uint64_t>(count - 1);
  const int half = (std::bit_width(mask) + 1) / 2;
  auto bits = static_cast<std::uint64_t>(number);
  for (const std::uint64_t factor :
       {0x9e3779b97f4a7c15u, 0xbf58476d1ce4e5b9u, 0x94d049bb133111ebu}) {
    bits = (bits * factor + 0x1234567) & mask;
    bits ^= bits >> half;
  }
  return static_cast<std::int64_t>(bits);
}

}  // namespace multibuffer::bench
