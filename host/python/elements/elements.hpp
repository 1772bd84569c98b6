#pragma once

#include <multibuffer/format.hpp>

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace multibuffer::python {

/// Dense C-ordered elements as nested lists of Python objects; without axes, one object. Structs
/// are tuples, sub-arrays lists, and what has no value of its own is bytes. Throws
/// `format_unsupported`, naming the format, for opaque elements, and ValueError, naming the
/// element, for text that holds something else than characters.
pybind11::object to_list(const Format& format, std::span<const std::int64_t> shape,
                         const std::byte* elements);

/// Returns true if some element, as `to_list` has it, is equal to `item`. Throws as it does. Not
/// for items that `is_compared_by_numpy`: arrays and lists, with which NumPy compares every element
/// in its place.
bool any_equal(const Format& format, std::span<const std::int64_t> shape, const std::byte* elements,
               pybind11::handle item);
bool is_compared_by_numpy(const Format& format, pybind11::handle item);
/// Asks NumPy for `item in buffer`, which is on the host.
bool numpy_has(const pybind11::object& buffer, pybind11::handle item);

}  // namespace multibuffer::python
