#pragma once

#include "host/files/npy_type.hpp"

#include <string_view>

namespace multibuffer::cli {

/// The numbers that --dtype names: "float16", as NumPy's names are, or a type string, ">f4". Throws
/// `invalid_argument`.
files::NpyType parse_dtype(std::string_view text);

}  // namespace multibuffer::cli
