#include "host/python/inputs/interfaces.hpp"

#include "host/python/elements/numpy_array.hpp"
#include "host/python/inputs/claims.hpp"
#include "host/python/support/attributes.hpp"
#include "host/python/support/errors.hpp"
#include "host/python/support/values.hpp"
#include "host/support/text.hpp"

#include <memory>
#include <string>
#include <utility>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

bool has_dlpack(py::handle object) {
  return has_attribute(object, "__dlpack__") && has_attribute(object, "__dlpack_device__");
}

/// Tells whether it says that its memory is a GPU's. Some that do are exporters of the buffer
/// protocol all the same: CuPy's and JAX's arrays, which refuse, or read managed memory from the
/// host without waiting for anybody.
bool is_on_gpu(py::handle object) {
  if (NumpyArray::of(object)) return false;  // its answer is known, and takes long
  if (!has_dlpack(object)) return has_attribute(object, "__cuda_array_interface__");
  try {
    const dlpack::Device device = dlpack_device_of(object);
    return device.type == dlpack::device_cuda || device.type == dlpack::device_cuda_managed;
  } catch (const py::builtin_exception&) {
    return false;
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_Exception)) throw;
    return false;
  }
}

Source source_from_buffer(py::handle object, int flags) {
  auto held = std::make_unique<const HeldBuffer>(object, flags);
  Source source = source_of_export(held->buffer());
  source.owner = keep(std::move(held));
  return source;
}

/// Objects that DLPack refuses are refused: the older interface has no words for some of its
/// reasons, such as a tensor that is yet to be conjugated.
Source source_from_others(py::handle object, Route route) {
  return has_dlpack(object) ? source_from_dlpack(object, route)
                            : source_from_cuda_interface(object);
}

/// Before anybody is asked for memory: who refuses here is not to be asked by another interface.
void check_claims(py::handle object, Route route) {
  if (NumpyArray::of(object)) return;  // it has nothing to claim
  check_mask(object);
  // The reference asks by another way on its way to DLPack.
  if (route != Route::protocols) TensorClaims(object).check(object);
}

/// BufferError that says what each interface did; its cause is the second refusal, whose context is
/// the first.
[[noreturn]] void raise_both(py::handle object, const py::error_already_set& by_buffer,
                             const py::error_already_set& by_other) {
  const auto said = [](const py::error_already_set& error) { return str_of(error.value()); };
  const std::string message = text(
      Py_TYPE(object.ptr())->tp_name,
      " gives its memory by none of its interfaces. The buffer protocol: ", said(by_buffer), "; ",
      has_dlpack(object) ? "__dlpack__" : "__cuda_array_interface__", ": ", said(by_other));
  const py::object& second = by_other.value();
  PyException_SetContext(second.ptr(), by_buffer.value().inc_ref().ptr());
  set_python_error(PyExc_BufferError, message.c_str());
  py::error_already_set both;
  PyException_SetCause(both.value().ptr(), second.inc_ref().ptr());
  throw both;
}

}  // namespace

bool offers_more_than_buffer(py::handle object) {
  // NumPy's buffers say all that its DLPack does, and refuse in better words.
  if (NumpyArray::of(object)) return false;
  return has_dlpack(object) || has_attribute(object, "__cuda_array_interface__");
}

bool is_exporter(py::handle object) {
  return PyObject_CheckBuffer(object.ptr()) && !is_on_gpu(object);
}

Source source_from_interfaces(py::handle object, Access access, Route route) {
  check_claims(object, route);
  if (!is_exporter(object)) return source_from_others(object, route);
  // Who refuses to be written to is not asked again by an interface that has no word for it.
  if (access == Access::write) return source_from_buffer(object, PyBUF_FULL);
  try {
    return source_from_buffer(object, PyBUF_FULL_RO);
  } catch (py::error_already_set& refusal) {
    if (!refusal.matches(PyExc_Exception) || !offers_more_than_buffer(object)) throw;
    try {
      return source_from_others(object, route);
    } catch (py::error_already_set& another) {
      if (!another.matches(PyExc_Exception)) throw;
      raise_both(object, refusal, another);
    }
  }
}

}  // namespace multibuffer::python
