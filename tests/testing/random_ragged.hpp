#pragma once

#include <multibuffer/ragged.hpp>
#include <multibuffer/ragged_reference.hpp>

#include "tests/testing/random_array.hpp"
#include "tests/testing/test_memory.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// Random rows of unequal length and requests of them, for property tests. All follow from a seed.
namespace multibuffer::testing {

/// Rows in memory of their own, filled with random bytes: at odd addresses, shared with other
/// lengths, within each other, NULL or nowhere where they have no items. Their bytes in all are
/// drawn log-uniformly up to `most_bytes`.
class RandomRagged {
 public:
  explicit RandomRagged(Random& random, std::int64_t most_bytes = std::int64_t{1} << 20);

  RaggedView view() const;
  const Format& format() const noexcept { return format_; }
  std::int64_t rows() const noexcept { return static_cast<std::int64_t>(starts_.size()); }
  std::string describe() const;

 private:
  void choose_item(Random& random);
  void add_row(Random& random, TestMemory& memory, std::int64_t length);

  std::unique_ptr<TestMemory> memory_;
  Format format_;
  std::vector<std::int64_t> item_shape_;
  std::int64_t item_bytes_ = 1;
  std::vector<const std::byte*> starts_;
  std::vector<std::int64_t> lengths_;
};

/// Which rows to read, as the reference takes them and as `pack` does. Borrows the index array from
/// this object.
class RandomRows {
 public:
  /// Of `rows` rows; at most `most` of them.
  RandomRows(Random& random, std::int64_t rows, std::int64_t most);
  const reference::Rows& expected() const noexcept { return rows_; }
  RowSelection selection() const;
  std::string describe() const;

 private:
  reference::Rows rows_;
  std::optional<std::vector<std::int32_t>> narrow_;
};

}  // namespace multibuffer::testing
