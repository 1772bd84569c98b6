#include "errors.hpp"

#include <multibuffer/error.hpp>

#include <pybind11/pybind11.h>

#include <exception>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

PyObject* exception_for(Errc code) {
  switch (code) {
    case Errc::invalid_argument:
    case Errc::size_overflow:
    case Errc::invalid_format:
      return PyExc_ValueError;
    case Errc::invalid_view:
    case Errc::null_pointer:
      return PyExc_BufferError;
    case Errc::format_unsupported:
      return PyExc_TypeError;
    case Errc::index_out_of_range:
      return PyExc_IndexError;
    case Errc::out_of_device_memory:
      return PyExc_MemoryError;
    case Errc::device_unavailable:
    case Errc::cuda_failure:
    case Errc::cancelled:
      return PyExc_RuntimeError;
    case Errc::file_unreadable:
    case Errc::file_invalid:
    case Errc::file_unwritable:
      return PyExc_OSError;
  }
  return PyExc_RuntimeError;
}

/// Throws on what is for somebody else to translate.
void translate(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const Error& error) {
    PyErr_SetString(exception_for(error.code()), error.what());
  } catch (const py::cast_error& error) {
    PyErr_SetString(PyExc_TypeError, error.what());  // an argument of the wrong kind
  }
}

}  // namespace

void translate_errors() { py::register_local_exception_translator(translate); }

void set_python_error() noexcept {
  try {
    try {
      translate(std::current_exception());
    } catch (...) {
      py::detail::translate_exception(std::current_exception());
    }
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "an exception of an unknown kind");
  }
}

}  // namespace multibuffer::python
