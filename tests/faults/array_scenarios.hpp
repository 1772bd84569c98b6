#pragma once

#include <multibuffer/multibuffer.hpp>

#include "tests/faults/scenario.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace multibuffer::testing {

using Numbers = std::vector<std::int32_t>;

/// Rows of numbers, each in memory of its own: element i of row r is 1000 r + i.
struct NumberRows {
  std::vector<Numbers> rows;
  std::vector<const std::int32_t*> pointers;  ///< the last row first, and once more at the end

  NumberRows(std::int32_t count, std::int32_t length);
  NumberRows(const NumberRows&) = delete;
  NumberRows& operator=(const NumberRows&) = delete;

  std::int64_t length() const { return std::ssize(rows.front()); }
  ArrayView view() const;
  /// The rows that the pointers lead to, one after the other.
  Numbers numbers() const;
};

template <class T>
Bytes bytes_of_values(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

/// Uploads, gathers, plans, comparisons and rows of unequal length, on the device of that name.
std::vector<Scenario> array_scenarios(const std::string& device);

}  // namespace multibuffer::testing
