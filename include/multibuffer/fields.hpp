#pragma once

#include <multibuffer/format.hpp>

#include <span>
#include <string>
#include <string_view>

namespace multibuffer {

/// A field of struct elements by its name. Throws `format_unsupported` if elements are no structs,
/// `invalid_argument`, with the names there are, if they have no such field.
const Field& field_of(const Format& format, std::string_view name);

/// Elements of the same size that have these fields alone, each where it was, as NumPy's a[["x",
/// "y"]] has them. Throws what `field_of` throws, and `invalid_argument` for names that are not in
/// the order of their offsets, since no format can say those, or repeat.
Format fields_of(const Format& format, std::span<const std::string> names);

}  // namespace multibuffer
