#include "host/gather/conversion.hpp"

#include <multibuffer/byte_order.hpp>
#include <multibuffer/error.hpp>

#include "host/support/text.hpp"

#include <algorithm>
#include <bit>
#include <string>

namespace multibuffer {
namespace {

[[noreturn]] void refuse(const Format& from, const Format& to, const std::string& why) {
  throw Error(Errc::format_unsupported, text("elements of format '", from.text(),
                                             "' cannot be converted to '", to.text(), "': ", why));
}

/// The number, or one of the two alike, that an element is.
struct Numbers {
  Number number = Number::uint8;
  bool foreign = false;
  bool is_complex = false;
};

bool is_bfloat16(const Format& format) {
  return format.text() == "bfloat16" && format.itemsize() == 2;
}

Number integer_of(std::int64_t size, bool is_signed) {
  switch (size) {
    case 1:
      return is_signed ? Number::int8 : Number::uint8;
    case 2:
      return is_signed ? Number::int16 : Number::uint16;
    case 4:
      return is_signed ? Number::int32 : Number::uint32;
    default:
      return is_signed ? Number::int64 : Number::uint64;
  }
}

std::optional<Number> real_of(std::int64_t size) {
  if (size == 2) return Number::float16;
  if (size == 4) return Number::float32;
  if (size == 8) return Number::float64;
  return std::nullopt;
}

/// `format` is one of the two.
Numbers numbers_of(const Format& format, const Format& from, const Format& to) {
  if (is_bfloat16(format)) return {Number::bfloat16, false, false};
  const auto subject = text("'", format.text(), "' ");
  if (format.opaque()) refuse(from, to, text(subject, "is not understood: ", format.why_opaque()));
  const Type& type = format.type();
  if (type.is_struct) refuse(from, to, subject + "is a struct; convert its fields one by one");
  const bool foreign = !is_native(type);
  const bool is_complex = type.kind == ScalarKind::complex;
  switch (type.kind) {
    case ScalarKind::boolean:
      return {Number::boolean, false, false};
    case ScalarKind::signed_integer:
    case ScalarKind::unsigned_integer:
      return {integer_of(type.size, type.kind == ScalarKind::signed_integer), foreign, false};
    case ScalarKind::real:
    case ScalarKind::complex:
      if (const auto real = real_of(is_complex ? type.size / 2 : type.size))
        return {*real, foreign, is_complex};
      refuse(from, to, subject + "is made of long doubles, whose layout is the machine's own");
    default:
      refuse(from, to, subject + "is no number: not a bool, an integer, a real or a complex");
  }
}

/// Elements that differ in nothing but the order of their bytes, whatever they mean.
std::optional<Conversion> reordering_of(const Format& from, const Format& to) {
  if (from.opaque() || to.opaque()) return std::nullopt;
  const Type& a = from.type();
  const Type& b = to.type();
  if (a.is_struct || b.is_struct || a.kind != b.kind || a.size != b.size) return std::nullopt;
  if (is_native(a) == is_native(b)) return Conversion{};
  const std::int64_t unit = swapped_bytes(a);
  if (unit > 8) return std::nullopt;
  const Number number = integer_of(unit, false);
  return Conversion{number, number, !is_native(a), !is_native(b), false};
}

Number complex_of(Number real, const Format& from, const Format& to) {
  if (real == Number::float32) return Number::complex64;
  if (real == Number::float64) return Number::complex128;
  refuse(from, to, "complex numbers are made of float32 or float64");
}

Conversion converting(const Format& from, const Format& to, Overflow overflow) {
  const Numbers source = numbers_of(from, from, to);
  const Numbers target = numbers_of(to, from, to);
  if (source.is_complex && !target.is_complex)
    refuse(from, to,
           target.number == Number::boolean
               ? "complex numbers become complex alone, and a bool is none"
               : "complex numbers become complex alone: the imaginary parts would be lost");
  const bool adds_parts = target.is_complex && !source.is_complex;
  return {source.number, adds_parts ? complex_of(target.number, from, to) : target.number,
          source.foreign, target.foreign, overflow == Overflow::saturate};
}

}  // namespace

std::optional<Conversion> conversion_of(const Format& from, const Format& to, Overflow overflow) {
  if (from == to) return std::nullopt;
  const auto reordering = reordering_of(from, to);
  const Conversion conversion = reordering ? *reordering : converting(from, to, overflow);
  const bool as_it_is =
      conversion.from == conversion.to && conversion.from_foreign == conversion.to_foreign;
  if (as_it_is) return std::nullopt;
  return conversion;
}

}  // namespace multibuffer
