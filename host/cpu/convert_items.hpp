#pragma once

#include "host/backend/number.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace multibuffer {

/// Converts numbers that lie one after the other. A conversion is a chain of a few steps (swap
/// bytes, widen, convert, swap bytes again), each a loop that the compiler makes vectors of, over
/// blocks that stay in the first cache: memory is passed over once.
class ConvertItems {
 public:
  explicit ConvertItems(const Conversion& conversion);

  int from_bytes() const { return from_bytes_; }
  int to_bytes() const { return to_bytes_; }
  /// Returns how many bytes `source_bytes` of whole numbers become.
  std::int64_t out_bytes(std::int64_t source_bytes) const {
    return source_bytes / from_bytes_ * to_bytes_;
  }

  /// Converts `count` numbers, at any alignment. Source and result must not overlap.
  void operator()(std::byte* to, const std::byte* from, std::int64_t count) const;

 private:
  using Loop = void (*)(std::byte* to, const std::byte* from, std::int64_t count);
  using Float8Loop = void (*)(std::byte* to, const std::byte* from, std::int64_t count,
                              const Float8Encoding& encoding);
  /// One of both loops.
  struct Step {
    Loop loop = nullptr;
    Float8Loop float8_loop = nullptr;
    Float8Encoding encoding;
  };
  void add(Loop loop) { steps_[step_count_++] = {loop, nullptr, {}}; }
  void add(Float8Loop loop, ScalarType scalar);
  void add_reversal(int bytes);
  void add_number(const Conversion& conversion);

  std::array<Step, 5> steps_{};
  std::size_t step_count_ = 0;
  int from_bytes_;
  int to_bytes_;
};

}  // namespace multibuffer
