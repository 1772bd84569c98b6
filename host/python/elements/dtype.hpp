#pragma once

#include <multibuffer/format.hpp>

#include <pybind11/pybind11.h>

#include <optional>
#include <string>
#include <string_view>

namespace multibuffer::python {

/// What `numpy.dtype` understands: "int32" and its like for native numbers, else a type string.
std::string dtype_name(const Format& format);

/// The array interface's type string, "<i4"; raw bytes, "|V12", for structs and opaque elements.
std::string type_string(const Format& format);

/// The array interface's `descr` for structs, else None.
pybind11::object type_description(const Format& format);

/// The format that a type string names. Throws `format_unsupported` for those without one.
Format format_of_type_string(std::string_view text);

/// The numbers that a dtype argument names: "float16", "bfloat16", "i4", ">f8", bool and its like,
/// or what has a name or a type string, as the dtypes of NumPy, torch and JAX do. Throws TypeError
/// for anything else.
Format format_of_dtype(pybind11::handle dtype);
/// The same; nothing for anything else.
std::optional<Format> find_format_of_dtype(pybind11::handle dtype);

/// Whether elements of both hold the same values in the same bytes, however the formats spell it:
/// "l", "q" and "<q" do here.
bool same_meaning(const Format& a, const Format& b);
bool same_meaning(const Type& a, const Type& b);

}  // namespace multibuffer::python
