#pragma once

#include <multibuffer/format.hpp>

#include <pybind11/pybind11.h>

#include <optional>
#include <string>
#include <string_view>

namespace multibuffer::python {

/// Returns what `numpy.dtype` understands: "int32", "datetime64[s]" and their like for native
/// numbers and dates, else a type string. The names of ml_dtypes, "bfloat16", it understands once
/// that is imported; a '>' in front of them says that the byte order is not this machine's.
std::string dtype_name(const Format& format);

/// Returns the array interface's type string, "<i4"; raw bytes, "|V12", for structs, elements that
/// NumPy has no type for, and opaque ones.
std::string type_string(const Format& format);

/// Returns the array interface's `descr` for structs, else None.
pybind11::object type_description(const Format& format);

/// Returns NumPy's dtype for elements of a type, fields at their offsets. Imports NumPy.
pybind11::object numpy_dtype_of(const Type& type);

/// Returns the format that a type string names. Throws `format_unsupported` for those without one.
Format format_of_type_string(std::string_view text);

/// Returns the numbers that a dtype argument names: "float16", "bfloat16", "i4", ">f8", bool and
/// its like, or what has a name or a type string, as the dtypes of NumPy, torch and JAX do; and
/// NumPy's dates and time spans. Throws TypeError for anything else.
Format format_of_dtype(pybind11::handle dtype);
/// Returns the same, but nothing for anything else.
std::optional<Format> find_format_of_dtype(pybind11::handle dtype);

}  // namespace multibuffer::python
