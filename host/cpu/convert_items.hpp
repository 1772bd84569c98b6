#pragma once

#include "host/backend/number.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace multibuffer {

/// Converts numbers that lie one after the other. A conversion is a chain of a few steps (turn
/// bytes round, widen, convert, turn round again), each a loop that the compiler makes vectors of,
/// over blocks that stay in the first cache: memory is passed over once.
class ConvertItems {
 public:
  explicit ConvertItems(const Conversion& conversion);

  int from_bytes() const { return from_bytes_; }
  int to_bytes() const { return to_bytes_; }
  /// What so many bytes of whole numbers become.
  std::int64_t out_bytes(std::int64_t source_bytes) const {
    return source_bytes / from_bytes_ * to_bytes_;
  }

  /// `count` numbers, at any alignment. What is read and what is written do not overlap.
  void operator()(std::byte* to, const std::byte* from, std::int64_t count) const;

 private:
  using Loop = void (*)(std::byte* to, const std::byte* from, std::int64_t count);
  void add(Loop loop);
  void add_reversal(int bytes);
  void add_number(const Conversion& conversion);

  std::array<Loop, 5> steps_{};
  std::size_t step_count_ = 0;
  int from_bytes_;
  int to_bytes_;
};

}  // namespace multibuffer
