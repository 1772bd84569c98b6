#pragma once

#include <multibuffer/format.hpp>

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace multibuffer::python {

/// Dense C-ordered elements as nested lists of Python objects; without axes, one object. Structs
/// are tuples, sub-arrays lists, and what has no value of its own is bytes. Throws
/// `format_unsupported`, naming the format, for opaque elements.
pybind11::object to_list(const Format& format, std::span<const std::int64_t> shape,
                         const std::byte* elements);

}  // namespace multibuffer::python
