#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/gather.hpp>
#include <multibuffer/reference.hpp>

#include "tests/testing/request.hpp"
#include "tests/testing/test_memory.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// Random exports, view operations and requests for property tests. All follow from a seed.
namespace multibuffer::testing {

/// SplitMix64: the same numbers everywhere, which std's distributions do not promise.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  /// Takes its numbers from `bytes`, which are borrowed, so that a fuzzer chooses them: each number
  /// takes as many bytes as its range needs. Behind their end the numbers are those of seed 0.
  explicit Random(std::span<const std::uint8_t> bytes) : state_(0), bytes_(bytes) {}
  std::uint64_t next();
  /// Uniform in [low, high].
  std::int64_t between(std::int64_t low, std::int64_t high);
  int between(int low, int high) {
    return static_cast<int>(between(std::int64_t{low}, std::int64_t{high}));
  }
  bool chance(int percent) { return between(0, 99) < percent; }
  template <class T>
  T pick(std::initializer_list<T> choices) {
    return choices.begin()[between(0, static_cast<int>(choices.size()) - 1)];
  }
  template <class T>
  void shuffle(std::vector<T>& values) {
    for (std::size_t i = values.size(); i > 1; --i) {
      std::swap(values[i - 1],
                values[static_cast<std::size_t>(between(0, static_cast<int>(i) - 1))]);
    }
  }
  /// Never takes of a fuzzer's bytes, of which contents would soon use up all.
  void fill(std::span<std::byte> bytes);
  /// Returns those of a fuzzer's bytes that have not been taken, and takes them.
  std::span<const std::uint8_t> rest() { return std::exchange(bytes_, {}); }

 private:
  std::uint64_t generate();
  std::uint64_t take(int bytes);

  std::uint64_t state_;
  std::span<const std::uint8_t> bytes_;  ///< those that are left
};

/// Properties that a random array must have. The others are random.
struct ArrayOptions {
  std::optional<int> ndim;
  std::optional<std::uint64_t> indirect;  ///< bit i: axis i is indirect
  std::optional<std::uint64_t> negative;  ///< bit i: axis i has a negative stride
  std::optional<MemoryMode> memory;
  bool zero_extents = true;
  std::int64_t max_elements = 240;
  std::int64_t max_extent = 24;
};

/// Returns every pattern of indirect axes, times a few patterns of stride signs, for 0 to
/// `max_ndim` axes.
std::vector<ArrayOptions> every_indirection(int max_ndim);

/// An export and the memory behind it, filled with random bytes. Only what an index reaches is
/// there: pointer tables hold poison between their slots, and exports without elements point
/// nowhere.
class RandomArray {
 public:
  explicit RandomArray(Random& random, const ArrayOptions& options = {});
  ~RandomArray();
  RandomArray(const RandomArray&) = delete;
  RandomArray& operator=(const RandomArray&) = delete;

  const BufferExport& source() const noexcept { return source_; }
  const std::vector<std::int64_t>& shape() const noexcept { return shape_; }
  std::string describe() const;

  /// Ruins all table slots that are not in `reached`, until `heal`.
  void poison_all_but(std::vector<const std::byte*> reached);
  void heal();

 private:
  struct Memory;
  struct Level;
  struct Slot {
    std::byte* address;
    std::uint64_t pointer;
  };

  void choose_shape(Random& random, const ArrayOptions& options);
  void choose_format(Random& random);
  std::vector<Level> choose_strides(Random& random, const ArrayOptions& options);
  void build(Random& random, const std::vector<Level>& levels);
  std::vector<std::byte*> place_blocks(Random& random, const Level& level, std::size_t count);
  void publish(Random& random);

  std::unique_ptr<Memory> memory_;
  std::vector<std::int64_t> shape_;
  std::vector<std::int64_t> strides_;
  std::vector<std::int64_t> suboffsets_;
  std::vector<bool> indirect_;
  std::string format_;
  std::int64_t itemsize_ = 1;
  std::vector<Slot> slots_;
  BufferExport source_;
};

/// Up to `count` view operations, valid one after another on an array of `shape`.
std::vector<ViewOperation> random_operations(Random& random, const std::vector<std::int64_t>& shape,
                                             int count);
std::string describe(const std::vector<ViewOperation>& operations);

/// Index groups as the reference takes them, and the same for `gather`.
class RandomRequest {
 public:
  RandomRequest(Random& random, const std::vector<std::int64_t>& shape);
  const std::vector<reference::Group>& groups() const noexcept { return groups_; }
  IndexMode mode() const noexcept { return mode_; }
  /// Borrows the index arrays from this object.
  Request request() const;
  std::string describe() const;

 private:
  std::vector<reference::Group> groups_;
  IndexMode mode_ = IndexMode::raise;
  /// groups_[g].indices[i] in 32 bits, where they are to be passed so; else empty.
  std::vector<std::vector<std::optional<std::vector<std::int32_t>>>> narrow_;
};

/// A random conversion of a request: a format that `from` can be converted to, or none.
struct RandomConversion {
  RandomConversion(Random& random, const Format& from);
  std::optional<Format> format;
  Overflow overflow;
  std::string describe() const;
};

}  // namespace multibuffer::testing
