#include "host/interop/numpy_type.hpp"

#include "host/format/dates.hpp"
#include "host/format/scalar_type.hpp"
#include "host/support/native_order.hpp"
#include "host/support/text.hpp"

#include <charconv>
#include <cstdint>
#include <string>
#include <utility>

namespace multibuffer {
namespace {

/// V for scalars that NumPy has no letter for.
char letter_of(const Type& type) {
  if (type.is_struct) return 'V';
  if (const ScalarRow* const row = find_scalar(type.kind, type.size, type.encoding))
    return row->letter;
  switch (type.kind) {
    case ScalarKind::pointer:
      return 'u';
    case ScalarKind::character:
    case ScalarKind::bytes:
      return 'S';
    case ScalarKind::ucs4:
      return 'U';
    case ScalarKind::datetime:
      return 'M';
    case ScalarKind::timedelta:
      return 'm';
    default:
      return 'V';
  }
}

/// Finds the date or the time span that a name or a type string without its byte order stands for:
/// "datetime64[s]", "M8[s]".
std::optional<Type> find_date(std::string_view name) {
  std::string full(name);
  if (name.starts_with("M8")) full.replace(0, 2, "datetime64");
  if (name.starts_with("m8")) full.replace(0, 2, "timedelta64");
  std::optional<DateName> found = find_date_name(full);
  if (!found || found->length != full.size()) return std::nullopt;
  return std::move(found->type);
}

/// Finds the number of a type string without its byte order, "f2".
const ScalarRow* find_type_string(std::string_view text) {
  std::int64_t size = 0;
  if (text.size() < 2 || text[0] == 'V') return nullptr;
  const char* const end = text.data() + text.size();
  if (std::from_chars(text.data() + 1, end, size).ptr != end) return nullptr;
  return find_scalar(
      [&](const ScalarRow& row) { return row.letter == text[0] && row.size == size; });
}

}  // namespace

std::string type_string(const Type& type) {
  const char letter = letter_of(type);
  const bool ordered = type.size > 1 && letter != 'S' && letter != 'V';
  const char order = !ordered ? '|' : type.little_endian ? '<' : '>';
  const std::string unit = type.unit.empty() ? "" : text('[', type.unit, ']');
  return text(order, letter, letter == 'U' ? type.size / 4 : type.size, unit);
}

std::optional<std::string> dtype_name(const Type& type) {
  if (type.is_struct) return std::nullopt;
  if (is_date(type) && is_native(type)) return date_name(type);
  const ScalarRow* const row = find_scalar(type.kind, type.size, type.encoding);
  if (!row) return std::nullopt;
  if (is_native(type)) return std::string(row->name);
  // NumPy has no type string for these.
  if (is_named(*row)) return text(type.little_endian ? '<' : '>', row->name);
  return std::nullopt;
}

std::optional<Format> format_of_dtype_name(std::string_view name) {
  bool little_endian = native_little;
  const bool has_order =
      !name.empty() && std::string_view("<>=|").find(name[0]) != std::string_view::npos;
  if (has_order) {
    if (name[0] == '<' || name[0] == '>') little_endian = name[0] == '<';
    name.remove_prefix(1);
  }
  const ScalarRow* row = find_scalar([&](const ScalarRow& known) {
    return known.name == name && known.dlpack_code >= 0 && (is_named(known) || !has_order);
  });
  if (!row) row = find_type_string(name);
  if (!row) {
    std::optional<Type> date = find_date(name);
    if (!date) return std::nullopt;
    date->little_endian = little_endian;
    return format_of(*date);
  }
  Type type;
  type.kind = row->kind;
  type.encoding = row->encoding;
  type.size = row->size;
  type.little_endian = little_endian || type.size == 1;
  return format_of(type);
}

}  // namespace multibuffer
