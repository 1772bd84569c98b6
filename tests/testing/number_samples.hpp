#pragma once

#include <multibuffer/format.hpp>
#include <multibuffer/gather.hpp>

#include "host/format/scalar_type.hpp"
#include "tests/testing/cases.hpp"
#include "tests/testing/random_array.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

/// Numbers of every kind that is converted, with those among them that are easily got wrong.
namespace multibuffer::testing {

/// Returns all numbers of up to 16 bits; of wider types random ones, with exponents of every size,
/// and those on either side of every power of two and of what other kinds can hold.
inline std::vector<std::byte> samples_of(const Format& format) {
  Random random(1);
  const auto size = static_cast<std::size_t>(format.itemsize());
  std::vector<std::uint64_t> bits;
  if (size <= 2) {
    for (std::uint64_t n = 0; n < std::uint64_t{1} << (8 * size); ++n) bits.push_back(n);
  } else {
    const auto add_real = [&](double value) {
      bits.push_back(size == 4 ? std::bit_cast<std::uint32_t>(static_cast<float>(value))
                               : std::bit_cast<std::uint64_t>(value));
    };
    for (int i = 0; i < 3000; ++i) bits.push_back(random.next());
    for (int i = 0; i < 64; ++i)
      for (const std::int64_t step : {0, 1, 2, -1, -2})
        for (const std::uint64_t half : {std::uint64_t{0}, (std::uint64_t{1} << i) >> 9}) {
          const std::uint64_t power =
              (std::uint64_t{1} << i) + half + static_cast<std::uint64_t>(step);
          bits.insert(bits.end(), {power, 0 - power});
          add_real(static_cast<double>(power));
          add_real(-static_cast<double>(power));
          add_real(static_cast<double>(power) + 0.5);
        }
    for (int exponent = -1080; exponent < 1024; ++exponent) add_real(std::ldexp(1.7, exponent));
    for (const double value :
         {0.0, -0.0, std::numeric_limits<double>::infinity(),
          -std::numeric_limits<double>::infinity(), std::nan(""), 65519.99, 65520.0})
      add_real(value);
    // NaNs that signal, or whose payload a narrower kind cannot hold.
    for (const std::uint64_t payload : {0x1U, 0x1000U, 0x2000U, 0x200000U, 0x12345U})
      bits.insert(bits.end(), {0x7f800000 | payload, 0xffc00000 | payload,
                               0x7ff0000000000000 | payload << 29, 0xfff8000000000000 | payload});
  }
  std::vector<std::byte> bytes(bits.size() * size);
  for (std::size_t i = 0; i < bits.size(); ++i)
    for (std::size_t at = 0; at < size; at += sizeof bits[i])
      std::memcpy(bytes.data() + i * size + at, &bits[(i + at) % bits.size()],
                  std::min(size - at, sizeof bits[i]));
  return bytes;
}

/// Returns the format of every scalar that is converted, and some in the other byte order.
inline const std::vector<Format>& number_formats() {
  static const std::vector<Format> formats = [] {
    std::vector<Format> all;
    for (const ScalarRow& row : scalar_table)
      if (row.dlpack_code >= 0) all.emplace_back(row.format, row.size);
    for (const char* const swapped : {">h", ">I", ">d", ">e", ">Zf", ">bfloat16"})
      all.emplace_back(swapped, parse_format(swapped).size);
    return all;
  }();
  return formats;
}

inline bool is_float8(const Format& format) {
  return format.itemsize() == 1 && format.type().encoding != RealEncoding::ieee;
}

inline bool is_complex(const Format& format) {
  return !format.opaque() && format.type().kind == ScalarKind::complex;
}

/// Calls visit(from, to, overflow) for every pair of formats that numbers are converted between,
/// with both ways of overflow; with one for floats of 8 bits, which are many and no integers. Where
/// not all cases are tried, a quarter of the pairs, with each format on either side.
template <class Visit>
void for_each_conversion(const Visit& visit) {
  const std::vector<Format>& formats = number_formats();
  for (std::size_t i = 0; i < formats.size(); ++i)
    for (std::size_t j = 0; j < formats.size(); ++j)
      for (const Overflow overflow : {Overflow::wrap, Overflow::saturate})
        if ((i + j) % 4 < cases(4U) && (!is_complex(formats[i]) || is_complex(formats[j])) &&
            (overflow == Overflow::wrap || (!is_float8(formats[i]) && !is_float8(formats[j]))))
          visit(formats[i], formats[j], overflow);
}

}  // namespace multibuffer::testing
