#pragma once

#include "host/files/npy_type.hpp"

#include <string_view>

namespace multibuffer::cli {

/// Returns the numbers that --dtype names: "float16", as NumPy's names are, or a type string,
/// ">f4". Throws `invalid_argument` for other words, and for numbers that .npy files have no type
/// for.
files::NpyType parse_dtype(std::string_view text);

}  // namespace multibuffer::cli
