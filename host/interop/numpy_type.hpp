#pragma once

#include <multibuffer/format.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace multibuffer {

/// Returns the numbers that a word stands for: "float16" and NumPy's other names that say how many
/// bits, "bool", "bfloat16" and ml_dtypes' "float8_e4m3fn", or a type string whose byte order may
/// be left out, "f2" and ">f2"; ">bfloat16", too; dates and time spans, "datetime64[s]" and
/// "<M8[s]". Nothing for every other word, such as "int", "long" and "half".
std::optional<Format> format_of_dtype_name(std::string_view name);

/// Returns the name of a number, a date or a time span: "float16", "bfloat16", ">bfloat16",
/// "datetime64[s]". Nothing for other types, and for those in non-native order whose type string
/// says it, ">f2".
std::optional<std::string> dtype_name(const Type& type);

/// Returns the type string of NumPy's array interface and .npy files: "<i4", "|b1", "<M8[s]"; raw
/// bytes, "|V12", for structs and for scalars that NumPy has no letter for, such as bfloat16.
std::string type_string(const Type& type);

}  // namespace multibuffer
