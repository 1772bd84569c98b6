#pragma once

#include <multibuffer/ragged.hpp>

#include "host/upload/clear_ranges.hpp"

namespace multibuffer {

/// Throws `invalid_argument` if `out` has a byte of the rows that `array` reads in place, or of the
/// block that the library copied them to. Whole items are looked at, also those of which a view
/// reads a field.
void check_apart(const RaggedArray& array, const AddressRange& out);

}  // namespace multibuffer
