#pragma once

#include <pybind11/pybind11.h>

namespace multibuffer::python {

/// In a catch block: makes the exception under way Python's, an `Error` the one of the standard
/// kind for it. Messages may hold any bytes; those that are no UTF-8 are shown as "\xff".
void set_python_error() noexcept;

/// Makes multibuffer.StaleError, which `file_changed` becomes, an OSError. Called once.
PyObject* make_stale_error();

/// Sets an exception of this kind, as `set_python_error` does.
void set_python_error(PyObject* kind, const char* message) noexcept;

}  // namespace multibuffer::python
