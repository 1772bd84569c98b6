#pragma once

#include <multibuffer/format.hpp>

#include "host/format/scalar_type.hpp"
#include "host/support/native_order.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

/// Reads scalars from elements in memory, at any alignment and in either byte order.
namespace multibuffer {

template <class T>
T read(const std::byte* bytes, bool little_endian) {
  std::array<std::byte, sizeof(T)> copy;
  std::copy_n(bytes, copy.size(), copy.begin());
  if (little_endian != native_little) std::ranges::reverse(copy);
  T value;
  std::memcpy(&value, copy.data(), copy.size());
  return value;
}

/// Reads `size` bytes, at most 8, as an unsigned integer.
inline std::uint64_t read_unsigned(const std::byte* bytes, std::int64_t size, bool little_endian) {
  switch (size) {
    case 1:
      return read<std::uint8_t>(bytes, little_endian);
    case 2:
      return read<std::uint16_t>(bytes, little_endian);
    case 4:
      return read<std::uint32_t>(bytes, little_endian);
    default:
      return read<std::uint64_t>(bytes, little_endian);
  }
}

inline std::int64_t read_signed(const std::byte* bytes, std::int64_t size, bool little_endian) {
  const auto unused_bits = static_cast<int>(64 - 8 * size);
  return static_cast<std::int64_t>(read_unsigned(bytes, size, little_endian) << unused_bits) >>
         unused_bits;
}

/// Calls `visit` with the real number of `size` bytes at `bytes`, as a float, a double or a long
/// double, which hold it exactly.
template <class Visit>
auto visit_real(RealEncoding encoding, const std::byte* bytes, std::int64_t size,
                bool little_endian, const Visit& visit) {
  if (encoding == RealEncoding::bfloat16)
    return visit(widened(BFloat16{read<std::uint16_t>(bytes, little_endian)}));
  if (encoding != RealEncoding::ieee)
    return visit(widened(Float8{read<std::uint8_t>(bytes, little_endian)},
                         find_scalar(ScalarKind::real, 1, encoding)->float8));
  switch (size) {
    case 2:
      return visit(widened(Half{read<std::uint16_t>(bytes, little_endian)}));
    case 4:
      return visit(read<float>(bytes, little_endian));
    case 8:
      return visit(read<double>(bytes, little_endian));
    default:
      return visit(read<long double>(bytes, little_endian));
  }
}

}  // namespace multibuffer
