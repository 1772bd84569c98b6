#include "host/python/support/attributes.hpp"

namespace py = pybind11;

namespace multibuffer::python {

py::object find_attribute(py::handle object, py::handle name) {
  PyObject* found = nullptr;
  // Neither makes an AttributeError where the type's own look-up finds nothing.
#if PY_VERSION_HEX >= 0x030D0000
  const int status = PyObject_GetOptionalAttr(object.ptr(), name.ptr(), &found);
#else
  const int status = _PyObject_LookupAttr(object.ptr(), name.ptr(), &found);
#endif
  if (status < 0) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(found);
}

py::object find_attribute(py::handle object, const char* name) {
  const auto word = py::reinterpret_steal<py::object>(PyUnicode_FromString(name));
  if (!word) throw py::error_already_set();
  return find_attribute(object, word);
}

}  // namespace multibuffer::python
