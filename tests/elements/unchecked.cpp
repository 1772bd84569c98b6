#include <multibuffer/elements.hpp>

#include <cstdint>

namespace multibuffer {

/// For checked_test.cpp, whose own views check.
float unchecked_element(const DeviceArray& array, std::int64_t row, std::int64_t column);
float unchecked_element(const DeviceArray& array, std::int64_t row, std::int64_t column) {
  return elements<float, 2>(array)(row, column);
}

}  // namespace multibuffer
