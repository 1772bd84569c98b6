#include "host/gather/conversion.hpp"

#include <multibuffer/error.hpp>

#include "host/support/text.hpp"

#include <string>

namespace multibuffer {
namespace {

[[noreturn]] void refuse(const Format& from, const Format& to, const std::string& why) {
  throw Failure(Errc::format_unsupported,
                text("elements of format '", from.text(), "' cannot be converted to '", to.text(),
                     "': ", why));
}

/// The scalar type that an element is, or its two parts are.
struct Numbers {
  ScalarType scalar = ScalarType::uint8;
  bool foreign = false;
  bool is_complex = false;
};

/// Returns what elements of `format`, which is one of the two, are made of.
Numbers numbers_of(const Format& format, const Format& from, const Format& to) {
  const auto subject = text("'", format.text(), "' ");
  if (format.opaque()) refuse(from, to, text(subject, "is not understood: ", format.why_opaque()));
  const Type& type = format.type();
  if (type.is_struct) refuse(from, to, subject + "is a struct; convert its fields one by one");
  if (is_date(type))
    refuse(from, to,
           subject +
               "is a date or a time span, which becomes an int64, 'q', alone: the "
               "count of its unit");
  const bool is_complex = type.kind == ScalarKind::complex;
  const ScalarRow* const row = is_complex
                                   ? find_scalar(ScalarKind::real, type.size / 2, type.encoding)
                                   : find_scalar(type.kind, type.size, type.encoding);
  if (!row) refuse(from, to, subject + "is no number: not a bool, an integer, a real or a complex");
  if (row->scalar == ScalarType::long_double)
    refuse(from, to, subject + "is made of long doubles, whose layout is the machine's own");
  return {row->scalar, !is_native(type), is_complex};
}

bool is_int64(const Type& type) {
  return !type.is_struct && type.kind == ScalarKind::signed_integer && type.size == 8;
}

/// Returns true if the bytes of one type are those of the other, but for their order: dates and
/// time spans are counts, which int64 holds.
bool have_one_encoding(const Type& a, const Type& b) {
  if (a.is_struct || b.is_struct) return false;
  if ((is_date(a) && is_int64(b)) || (is_int64(a) && is_date(b))) return true;
  return a.kind == b.kind && a.size == b.size && a.encoding == b.encoding && a.unit == b.unit;
}

/// Returns how elements that differ in nothing but the order of their bytes are byte-swapped,
/// whatever they mean; nothing for others.
std::optional<Conversion> reordering_of(const Format& from, const Format& to) {
  if (from.opaque() || to.opaque()) return std::nullopt;
  const Type& a = from.type();
  const Type& b = to.type();
  if (!have_one_encoding(a, b)) return std::nullopt;
  if (is_native(a) == is_native(b)) return Conversion{};
  const std::int64_t unit = swapped_bytes(a);
  if (unit > 8) return std::nullopt;
  const ScalarType bits = find_scalar(ScalarKind::unsigned_integer, unit)->scalar;
  return Conversion{bits, bits, !is_native(a), !is_native(b), false};
}

ScalarType complex_of(ScalarType real, const Format& from, const Format& to) {
  if (real == ScalarType::float32) return ScalarType::complex64;
  if (real == ScalarType::float64) return ScalarType::complex128;
  refuse(from, to, "complex numbers are made of float32 or float64");
}

Conversion converting(const Format& from, const Format& to, Overflow overflow) {
  const Numbers source = numbers_of(from, from, to);
  const Numbers target = numbers_of(to, from, to);
  if (source.is_complex && !target.is_complex)
    refuse(from, to,
           target.scalar == ScalarType::boolean
               ? "complex numbers become complex alone, and a bool is none"
               : "complex numbers become complex alone: the imaginary parts would be lost");
  const bool adds_parts = target.is_complex && !source.is_complex;
  return {source.scalar, adds_parts ? complex_of(target.scalar, from, to) : target.scalar,
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

std::optional<Conversion> conversion_of(const Format& format, const GatherOptions& options) {
  const Format& to = options.format ? *options.format : format;
  if (!options.scaling) return conversion_of(format, to, options.overflow);
  const bool is_float32 = !to.opaque() && !to.type().is_struct &&
                          to.type().kind == ScalarKind::real && to.type().size == 4;
  if (!is_float32)
    throw Failure(Errc::format_unsupported,
                  text("elements are scaled as they become float32, 'f', and those of this result ",
                       options.format ? "become '" : "stay '", to.text(), "'"));
  Conversion conversion = converting(format, to, options.overflow);
  conversion.scaled = true;
  return conversion;
}

}  // namespace multibuffer
