#pragma once

#include <pybind11/pybind11.h>

#include <string>

namespace multibuffer::python {

/// For the end of an error about an object that gives its memory by no protocol: what makes an
/// array of it. Empty where nothing is known that does.
std::string advice_on(pybind11::handle object);

}  // namespace multibuffer::python
