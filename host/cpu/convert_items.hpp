#pragma once

#include "host/backend/copy_plan.hpp"
#include "host/backend/number.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace multibuffer {

/// The places, in the tables of a scaling, of numbers that follow each other: number i of group g
/// has the place first + g * group_step + i * step, modulo the period.
struct ScalingPlaces {
  std::int64_t first = 0;
  std::int64_t step = 0;
  std::int64_t group = 0;  ///< numbers in a group; 0: all are one
  std::int64_t group_step = 0;
  std::int64_t before = 0;  ///< numbers of this sequence that are left out

  /// Returns those of the numbers from `count` on.
  ScalingPlaces from(std::int64_t count) const {
    ScalingPlaces places = *this;
    places.before += count;
    return places;
  }
};

/// Converts numbers that lie one after the other. A conversion is a chain of a few steps (swap
/// bytes, widen, convert, swap bytes again), each a loop that the compiler makes vectors of, over
/// blocks that stay in the first cache: memory is passed over once. Scaling is one of the steps.
class ConvertItems {
 public:
  /// A conversion that scales needs `scaling`, which must outlive this.
  explicit ConvertItems(const Conversion& conversion, const PlanScaling* scaling = nullptr);

  int from_bytes() const { return from_bytes_; }
  int to_bytes() const { return to_bytes_; }
  /// Returns how many bytes `source_bytes` of whole numbers become.
  std::int64_t out_bytes(std::int64_t source_bytes) const {
    return source_bytes / from_bytes_ * to_bytes_;
  }

  /// Null where nothing is scaled; `places` are then not looked at, here and below.
  const PlanScaling* scaling() const { return scaling_; }

  /// Converts `count` numbers, at any alignment. Source and result must not overlap.
  void operator()(std::byte* to, const std::byte* from, std::int64_t count,
                  const ScalingPlaces& places = {}) const;

 private:
  using Loop = void (*)(std::byte* to, const std::byte* from, std::int64_t count);
  using Float8Loop = void (*)(std::byte* to, const std::byte* from, std::int64_t count,
                              const Float8Encoding& encoding);
  /// Scale numbers by one factor and term, and by those of each.
  using ScaleAlike = void (*)(std::byte* to, const std::byte* from, std::int64_t count,
                              float factor, float term);
  using ScaleEach = void (*)(std::byte* to, const std::byte* from, std::int64_t count,
                             const float* factors, const float* terms);
  /// One of both loops; the one without either scales.
  struct Step {
    Loop loop = nullptr;
    Float8Loop float8_loop = nullptr;
    Float8Encoding encoding;
  };
  void add(Loop loop) { steps_[step_count_++] = {loop, nullptr, {}}; }
  void add(Float8Loop loop, ScalarType scalar);
  void add_reversal(int bytes);
  void add_number(const Conversion& conversion);
  template <class From, class To>
  void add_widened(const Conversion& conversion);
  void add_scaling(const Conversion& conversion);
  template <class From>
  void add_scaling_from();
  void scale(std::byte* to, const std::byte* from, std::int64_t count,
             const ScalingPlaces& places) const;
  void scale_group(std::byte* to, const std::byte* from, std::int64_t count, std::int64_t place,
                   std::int64_t step) const;

  const PlanScaling* scaling_;
  ScaleAlike scale_alike_ = nullptr;
  ScaleEach scale_each_ = nullptr;
  std::int64_t scale_from_bytes_ = 4;  ///< of the numbers that are scaled
  std::array<Step, 5> steps_{};
  std::size_t step_count_ = 0;
  int from_bytes_;
  int to_bytes_;
};

}  // namespace multibuffer
