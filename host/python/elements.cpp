#include "elements.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

constexpr bool native_little = std::endian::native == std::endian::little;

template <class Number>
Number read(const std::byte* bytes, bool little_endian) {
  std::array<std::byte, sizeof(Number)> copy;
  std::copy_n(bytes, copy.size(), copy.begin());
  if (little_endian != native_little) std::ranges::reverse(copy);
  Number number;
  std::memcpy(&number, copy.data(), copy.size());
  return number;
}

double read_half(const std::byte* bytes, bool little_endian) {
  const auto bits = read<std::uint16_t>(bytes, little_endian);
  const int exponent = (bits >> 10) & 0x1f;
  const int fraction = bits & 0x3ff;
  double magnitude = 0;
  if (exponent == 0)
    magnitude = std::ldexp(fraction, -24);
  else if (exponent < 31)
    magnitude = std::ldexp(fraction + 0x400, exponent - 25);
  else
    magnitude = fraction == 0 ? std::numeric_limits<double>::infinity()
                              : std::numeric_limits<double>::quiet_NaN();
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

double read_real(const std::byte* bytes, std::int64_t size, bool little_endian) {
  switch (size) {
    case 2:
      return read_half(bytes, little_endian);
    case 4:
      return static_cast<double>(read<float>(bytes, little_endian));
    case 8:
      return read<double>(bytes, little_endian);
    default:
      return static_cast<double>(read<long double>(bytes, little_endian));
  }
}

std::uint64_t read_unsigned(const Type& type, const std::byte* bytes) {
  switch (type.size) {
    case 1:
      return read<std::uint8_t>(bytes, type.little_endian);
    case 2:
      return read<std::uint16_t>(bytes, type.little_endian);
    case 4:
      return read<std::uint32_t>(bytes, type.little_endian);
    default:
      return read<std::uint64_t>(bytes, type.little_endian);
  }
}

std::int64_t read_signed(const Type& type, const std::byte* bytes) {
  const auto unused_bits = static_cast<int>(64 - 8 * type.size);
  return static_cast<std::int64_t>(read_unsigned(type, bytes) << unused_bits) >> unused_bits;
}

py::object raw_bytes(const std::byte* bytes, std::int64_t size) {
  return py::bytes(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

/// Text of fixed length: NULs at its end fill it up, but a single character is what it is.
py::object decode(const Type& type, const std::byte* bytes, std::int64_t unit) {
  std::u32string codes;
  for (std::int64_t at = 0; at < type.size; at += unit)
    codes += unit == 2 ? char32_t{read<char16_t>(bytes + at, type.little_endian)}
                       : read<char32_t>(bytes + at, type.little_endian);
  if (codes.size() > 1) codes.erase(codes.find_last_not_of(U'\0') + 1);
  return py::reinterpret_steal<py::object>([&] {
    PyObject* text = PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, codes.data(),
                                               static_cast<Py_ssize_t>(codes.size()));
    if (!text) throw py::error_already_set();
    return text;
  }());
}

py::object scalar(const Type& type, const std::byte* bytes) {
  switch (type.kind) {
    case ScalarKind::boolean:
      return py::bool_(*bytes != std::byte{0});
    case ScalarKind::signed_integer:
      return py::int_(read_signed(type, bytes));
    case ScalarKind::unsigned_integer:
    case ScalarKind::pointer:
    case ScalarKind::object:
      return py::int_(read_unsigned(type, bytes));
    case ScalarKind::real:
      return py::float_(read_real(bytes, type.size, type.little_endian));
    case ScalarKind::complex: {
      const std::int64_t half = type.size / 2;
      return py::reinterpret_steal<py::object>(
          PyComplex_FromDoubles(read_real(bytes, half, type.little_endian),
                                read_real(bytes + half, half, type.little_endian)));
    }
    case ScalarKind::pascal: {
      const auto room = std::max<std::int64_t>(type.size - 1, 0);
      const std::int64_t length = type.size == 0 ? 0 : std::to_integer<std::int64_t>(*bytes);
      return raw_bytes(bytes + (type.size == 0 ? 0 : 1), std::min(length, room));
    }
    case ScalarKind::ucs2:
      return decode(type, bytes, 2);
    case ScalarKind::ucs4:
      return decode(type, bytes, 4);
    case ScalarKind::padding:
    case ScalarKind::character:
    case ScalarKind::bytes:
      return raw_bytes(bytes, type.size);
  }
  return py::none();
}

py::object element(const Type& type, const std::byte* bytes);

/// The elements along the axes from `axis` on; `next` is the first of them in memory.
py::object nested(const Type& type, std::span<const std::int64_t> shape, const std::byte*& next) {
  if (shape.empty()) {
    py::object result = element(type, next);
    next += type.size;
    return result;
  }
  py::list list(static_cast<std::size_t>(shape[0]));
  for (std::int64_t i = 0; i < shape[0]; ++i)
    PyList_SET_ITEM(list.ptr(), i, nested(type, shape.subspan(1), next).release().ptr());
  return list;
}

py::object element(const Type& type, const std::byte* bytes) {
  if (!type.is_struct) return scalar(type, bytes);
  const auto member = [bytes](const Field& field) {
    const std::byte* next = bytes + field.offset;
    return nested(field.type, field.shape, next);
  };
  // A sub-array without a struct around it, "(2,3)f", is a list, not a tuple of one.
  if (type.fields.size() == 1 && type.fields[0].name.empty() && !type.fields[0].shape.empty())
    return member(type.fields[0]);
  py::tuple tuple(type.fields.size());
  for (std::size_t i = 0; i < type.fields.size(); ++i) tuple[i] = member(type.fields[i]);
  return tuple;
}

}  // namespace

py::object to_list(const Format& format, std::span<const std::int64_t> shape,
                   const std::byte* elements) {
  return nested(format.type(), shape, elements);
}

}  // namespace multibuffer::python
