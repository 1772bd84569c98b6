#include "host/python/support/errors.hpp"

#include <multibuffer/error.hpp>

#include <pybind11/pybind11.h>

#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

PyObject* stale_error = nullptr;

PyObject* exception_for(Errc code) {
  switch (code) {
    case Errc::invalid_argument:
    case Errc::size_overflow:
    case Errc::invalid_format:
      return PyExc_ValueError;
    case Errc::invalid_view:
    case Errc::null_pointer:
    case Errc::unreadable_memory:
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
    case Errc::file_changed:
      return stale_error ? stale_error : PyExc_OSError;
  }
  return PyExc_RuntimeError;
}

}  // namespace

PyObject* make_stale_error() {
  stale_error = PyErr_NewExceptionWithDoc(
      "multibuffer.StaleError",
      "A file of a Dataset was written to, cut, replaced or removed since it was opened.",
      PyExc_OSError, nullptr);
  if (!stale_error) throw py::error_already_set();
  return stale_error;
}

void set_python_error(PyObject* kind, const char* message) noexcept {
  PyObject* const words = PyUnicode_DecodeUTF8(
      message, static_cast<Py_ssize_t>(std::strlen(message)), "backslashreplace");
  if (!words) return;  // no memory, which is then the error
  PyErr_SetObject(kind, words);
  Py_DECREF(words);
}

void set_python_error() noexcept {
  try {
    throw;
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const Error& error) {
    set_python_error(exception_for(error.code()), error.what());
  } catch (const py::type_error& error) {
    set_python_error(PyExc_TypeError, error.what());
  } catch (const py::value_error& error) {
    set_python_error(PyExc_ValueError, error.what());
  } catch (const py::index_error& error) {
    set_python_error(PyExc_IndexError, error.what());
  } catch (const py::buffer_error& error) {
    set_python_error(PyExc_BufferError, error.what());
  } catch (const py::attribute_error& error) {
    set_python_error(PyExc_AttributeError, error.what());
  } catch (const std::bad_alloc&) {
    PyErr_SetString(PyExc_MemoryError, "out of memory on the host");
  } catch (const std::length_error&) {
    PyErr_SetString(PyExc_MemoryError, "more elements than memory can have");
  } catch (const std::exception& error) {
    // pybind11's own, where CPython could not make an object, has less to say than CPython.
    if (!PyErr_Occurred()) set_python_error(PyExc_RuntimeError, error.what());
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "an exception of an unknown kind");
  }
}

}  // namespace multibuffer::python
