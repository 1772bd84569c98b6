#pragma once

#include <multibuffer/format.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace multibuffer {

/// The numbers that a word stands for: "float16" and NumPy's other names that say how many bits,
/// "bool", "bfloat16", or a type string whose byte order may be left out, "f2" and ">f2". Nothing
/// for every other word, such as "int", "long" and "half".
std::optional<Format> format_of_dtype_name(std::string_view name);

/// The type string of NumPy's array interface and .npy files: "<i4", "|b1", "<U3"; raw bytes,
/// "|V12", for structs and for scalars that NumPy has no letter for.
std::string type_string(const Type& type);

}  // namespace multibuffer
