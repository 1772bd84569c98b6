#pragma once

#include <multibuffer/format.hpp>

#include <optional>
#include <string>
#include <string_view>

// NumPy's dates and time spans. PEP 3118 has no code for them; in formats they stand by NumPy's
// names, as numbers without a code do.

namespace multibuffer {

/// The name of a date or a time span: "datetime64[s]", "timedelta64[25us]", and without brackets
/// for a generic unit.
std::string date_name(const Type& type);

/// A name at the beginning of a text.
struct DateName {
  Type type;           ///< in this machine's byte order
  std::size_t length;  ///< of the name in the text
};
/// Reads a name at the beginning of `text`. Nothing if there is none.
std::optional<DateName> find_date_name(std::string_view text);

/// Normalises a unit as NumPy writes it between brackets: "s", "25us". Nothing if there is no such
/// unit; an empty one is none either.
std::optional<std::string> date_unit(std::string_view written);

}  // namespace multibuffer
