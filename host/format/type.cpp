#include <multibuffer/format.hpp>

#include "host/support/native_order.hpp"

#include <algorithm>

namespace multibuffer {
namespace {

/// Returns false for scalars of at most a byte, and for those made of bytes: both orders are one.
bool has_byte_order(const Type& scalar) { return scalar.size > 1 && swapped_bytes(scalar) > 1; }

/// Returns true if `holds` does for every scalar in `type`.
template <class Predicate>
bool all_scalars(const Type& type, const Predicate& holds) {
  if (!type.is_struct) return holds(type);
  return std::ranges::all_of(type.fields,
                             [&](const Field& field) { return all_scalars(field.type, holds); });
}

}  // namespace

bool has_standard_codes(const Type& type) {
  return all_scalars(type, [](const Type& scalar) {
    return scalar.encoding == RealEncoding::ieee && !is_date(scalar);
  });
}

bool is_date(const Type& type) {
  return !type.is_struct &&
         (type.kind == ScalarKind::datetime || type.kind == ScalarKind::timedelta);
}

bool is_native(const Type& type) {
  return all_scalars(type, [](const Type& scalar) {
    return scalar.little_endian == native_little || !has_byte_order(scalar);
  });
}

std::int64_t swapped_bytes(const Type& type) {
  switch (type.kind) {
    case ScalarKind::complex:
      return type.size / 2;
    case ScalarKind::ucs2:
      return 2;
    case ScalarKind::ucs4:
      return 4;
    case ScalarKind::padding:
    case ScalarKind::bytes:
    case ScalarKind::pascal:
      return 1;
    default:
      return type.size;
  }
}

Type native_type(const Type& type) {
  Type result = type;
  if (!type.is_struct) result.little_endian = native_little;
  for (Field& field : result.fields) field.type = native_type(field.type);
  return result;
}

bool same_meaning(const Type& a, const Type& b) {
  if (a.is_struct != b.is_struct || a.size != b.size) return false;
  if (!a.is_struct)
    return a.kind == b.kind && a.encoding == b.encoding && a.unit == b.unit &&
           (!has_byte_order(a) || a.little_endian == b.little_endian);
  return std::ranges::equal(a.fields, b.fields, [](const Field& x, const Field& y) {
    return x.name == y.name && x.offset == y.offset && x.shape == y.shape &&
           same_meaning(x.type, y.type);
  });
}

bool same_meaning(const Format& a, const Format& b) {
  if (a == b) return true;
  return !a.opaque() && !b.opaque() && same_meaning(a.type(), b.type());
}

}  // namespace multibuffer
