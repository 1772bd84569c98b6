#pragma once

#include <multibuffer/gather.hpp>

#include "host/python/inputs/source.hpp"

#include <pybind11/pybind11.h>

#include <cstdint>
#include <span>

namespace multibuffer::python {

/// The `out` argument of a gather: the caller's own writable memory, on the host or a device, and
/// what keeps it. Throws ValueError unless `object` has this shape and elements of this meaning,
/// BufferError unless it can be written to.
Output output_of(pybind11::handle object, std::span<const std::int64_t> shape,
                 const Format& format);

}  // namespace multibuffer::python
