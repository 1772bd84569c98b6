#include "numpy_twins.hpp"

#include <algorithm>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

/// NumPy's array type; null where NumPy has not been imported, and so no object can be of it.
PyTypeObject* ndarray() {
  const auto numpy =
      py::reinterpret_borrow<py::object>(PyDict_GetItemString(PyImport_GetModuleDict(), "numpy"));
  if (!numpy || !py::hasattr(numpy, "ndarray")) return nullptr;
  const py::object type = numpy.attr("ndarray");
  if (!PyType_Check(type.ptr())) return nullptr;
  auto* const result = reinterpret_cast<PyTypeObject*>(type.ptr());
  // What somebody has put in its place is written in Python, and has other fields. A NumPy that
  // counts its exports would want to be asked for them.
  const bool is_own = (result->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0 &&
                      result->tp_basicsize >= Py_ssize_t{sizeof(py::detail::PyArray_Proxy)} &&
                      result->tp_as_buffer && !result->tp_as_buffer->bf_releasebuffer;
  return is_own ? result : nullptr;
}

}  // namespace

NumpyTwins::NumpyTwins(py::handle model, const Py_buffer& said) {
  PyTypeObject* const type = ndarray();
  if (!type || Py_TYPE(model.ptr()) != type) return;
  const auto* array = fields(model.ptr());
  const bool says_its_fields =
      array->data == said.buf && array->nd == said.ndim &&
      std::equal(array->dimensions, array->dimensions + said.ndim, said.shape);
  if (!says_its_fields) return;
  type_ = type;
  dtype_ = py::reinterpret_borrow<py::object>(array->descr);
  flags_ = array->flags;
  shape_.assign(array->dimensions, array->dimensions + array->nd);
  strides_.assign(array->strides, array->strides + array->nd);
}

}  // namespace multibuffer::python
