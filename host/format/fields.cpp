#include <multibuffer/error.hpp>
#include <multibuffer/fields.hpp>

#include "host/support/text.hpp"

#include <algorithm>

namespace multibuffer {

const Field& field_of(const Format& format, std::string_view name) {
  const Type& type = format.type();
  if (!type.is_struct)
    throw Failure(Errc::format_unsupported,
                  text("elements of format '", format.text(), "' have no fields"));
  const auto found = std::ranges::find(type.fields, name, &Field::name);
  if (found != type.fields.end() && !name.empty()) return *found;
  std::string names;
  for (const Field& field : type.fields)
    if (!field.name.empty()) names += (names.empty() ? "'" : ", '") + field.name + "'";
  throw Failure(Errc::invalid_argument, text("no field '", name, "'; there are ",
                                             names.empty() ? "none with names" : names));
}

Format fields_of(const Format& format, std::span<const std::string> names) {
  Type type = format.type();
  type.fields.clear();
  const Field* last = nullptr;
  for (const std::string& name : names) {
    const Field& field = field_of(format, name);
    if (last && &field <= last)
      throw Failure(Errc::invalid_argument,
                    text("field '", name, "' does not come after '", type.fields.back().name,
                         "' in memory, which is the one order that a format can say"));
    type.fields.push_back(field);
    last = &field;
  }
  return format_of(type);
}

}  // namespace multibuffer
