#pragma once

#include <multibuffer/device_buffer.hpp>
#include <multibuffer/format.hpp>
#include <multibuffer/watch.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace multibuffer {

/// How far apart two numbers may be and still count as equal. All zero: by bits, so that a NaN
/// equals itself. Otherwise |actual - expected| <= absolute + relative * |expected|, or at most
/// `ulp` representable numbers apart; a NaN equals any NaN. Needs a format of real, complex or
/// integer numbers, or structs of them.
struct Tolerance {
  double absolute = 0;
  double relative = 0;
  std::int64_t ulp = 0;
  bool exact() const noexcept { return absolute == 0 && relative == 0 && ulp == 0; }
};

struct VerifyOptions {
  Tolerance tolerance = {};
  /// Its progress counts the bytes compared.
  Watch watch = {};
};

/// The outcome of `verify`.
struct Comparison {
  std::int64_t elements = 0;
  std::int64_t mismatches = 0;
  std::vector<std::int64_t> first;  ///< coordinates of the first mismatch in C order, if any
  std::string actual;               ///< that element, as the format writes it
  std::string expected;
  bool equal() const noexcept { return mismatches == 0; }
};

/// One sentence about it.
std::string describe(const Comparison& comparison);

/// Compares two C-ordered dense host arrays of the same shape and format.
Comparison verify(std::span<const std::byte> actual, std::span<const std::byte> expected,
                  std::span<const std::int64_t> shape, const Format& format,
                  const VerifyOptions& options = {});

/// Compares a result with a C-ordered host array. The result is synchronized and fetched.
Comparison verify(const DeviceBuffer& actual, std::span<const std::byte> expected,
                  const VerifyOptions& options = {});

/// Compares two results of one shape and format; on the device when both are on one, dense
/// in C order, and compared by bits.
Comparison verify(const DeviceBuffer& actual, const DeviceBuffer& expected,
                  const VerifyOptions& options = {});

}  // namespace multibuffer
