#pragma once

namespace multibuffer::python {

/// Makes every `Error` that leaves the module a Python exception of the standard kind for it.
void translate_errors();

/// For functions that Python calls without pybind11 in between: in a catch block, makes the
/// exception under way Python's, as pybind11 would.
void set_python_error() noexcept;

}  // namespace multibuffer::python
