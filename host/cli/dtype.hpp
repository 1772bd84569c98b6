#pragma once

#include "host/files/npy_type.hpp"

#include <string_view>

namespace multibuffer::cli {

/// Reads the scalar type that --dtype names: a name of NumPy's, "float16", or a type string, ">f4".
/// Throws `invalid_argument` for other words, and for scalar types that .npy files have no code
/// for.
files::NpyType parse_dtype(std::string_view text);

}  // namespace multibuffer::cli
