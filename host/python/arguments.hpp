#pragma once

#include <multibuffer/device.hpp>
#include <multibuffer/format.hpp>
#include <multibuffer/gather_modes.hpp>

#include <pybind11/pybind11.h>

#include <optional>

/// Arguments that the methods of several classes take.
namespace multibuffer::python {

/// The elements of a result, by the arguments dtype, which may be None, and saturate.
struct WantedElements {
  std::optional<Format> format;
  Overflow overflow = Overflow::wrap;
  std::optional<Scaling> scaling;
};
WantedElements wanted_elements(pybind11::handle dtype, bool saturate);

/// The arguments scale and bias, each None, a number, or numbers along channel_axis of the result.
/// Returns nothing where both are None.
std::optional<Scaling> scaling_argument(pybind11::handle scale, pybind11::handle bias,
                                        int channel_axis);

/// A CUDA stream: its handle, which is 0 for the default one, or an object that has it by
/// `__cuda_stream__()`, as torch's are `cuda_stream` or as CuPy's are `ptr`. None: the library's
/// own.
StreamRef stream_argument(pybind11::handle stream);

}  // namespace multibuffer::python
