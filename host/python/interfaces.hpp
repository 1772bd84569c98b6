#pragma once

#include "source.hpp"

#include <pybind11/pybind11.h>

namespace multibuffer::python {

/// From an object with `__dlpack__` and `__dlpack_device__`. Returns when the exporter's work on
/// the memory is done.
Source source_from_dlpack(pybind11::handle object);

/// From an object with `__cuda_array_interface__`, version 2 or 3, after the work on its stream.
Source source_from_cuda_interface(pybind11::handle object);

}  // namespace multibuffer::python
