#pragma once

#include <multibuffer/format.hpp>

#include <pybind11/pybind11.h>

#include <optional>

namespace multibuffer::python {

/// Who knows what the structs of an export are, where their format may not say it: the dtype of a
/// NumPy array or record, or the class of a ctypes object, also where a memoryview hands it on.
/// Null for all others, and for elements that are no structs.
///
/// NumPy's formats leave out the padding at a struct's end, those of ctypes the widths of bit
/// fields, unions, packing and base classes; and some of them still add up to the itemsize.
pybind11::object describer_of(const Py_buffer& buffer);

/// Tells whether elements of both are the same.
bool describe_alike(pybind11::handle a, pybind11::handle b);

/// Returns the elements' format by an export's describer: NumPy's have their true offsets; those of
/// ctypes are opaque where the class is not what the format says. Nothing if the format says it.
std::optional<Format> format_by(pybind11::handle describer, const Py_buffer& buffer);

/// Returns the format of elements with fields, some of which are dates or time spans, by their
/// dtype: arrays of such, NumPy does not export. Nothing for other dtypes, where numbers of another
/// package are among the fields, and where no format can say it.
std::optional<Format> format_with_dates(pybind11::handle dtype);

/// The reference's answer, which shares nothing with the others: for elements of NumPy's that have
/// fields, where they begin in arrays that NumPy makes, and of what type NumPy says the views of
/// them are. `object` is an array, a record, or a list of these, at any nesting. Nothing for
/// others.
std::optional<Format> measured_format(pybind11::handle object);

}  // namespace multibuffer::python
