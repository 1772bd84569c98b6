#pragma once

#include <multibuffer/gather.hpp>

#include "source.hpp"

#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <span>

namespace multibuffer::python {

/// The `out` argument of a gather: the caller's own writable memory, on the host or a device.
struct OutputTarget {
  Output output;
  std::shared_ptr<const void> owner;
};

/// Throws ValueError unless `object` has this shape and elements of this meaning, BufferError
/// unless it can be written to.
OutputTarget output_of(pybind11::handle object, std::span<const std::int64_t> shape,
                       const Format& format);

}  // namespace multibuffer::python
