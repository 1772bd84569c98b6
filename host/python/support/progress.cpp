#include "host/python/support/progress.hpp"

#include "host/support/text.hpp"

namespace py = pybind11;

namespace multibuffer::python {

Progress Progress::from(py::handle object, const char* name) {
  if (object.is_none()) return {};
  if (PyCallable_Check(object.ptr()) == 0)
    throw py::type_error(text(name,
                              " must be a function of the bytes done and the bytes in all, "
                              "or None, not ",
                              Py_TYPE(object.ptr())->tp_name));
  return Progress(py::reinterpret_borrow<py::object>(object));
}

bool Progress::tell(std::int64_t done, std::int64_t total) const noexcept {
  PyObject* const result = PyObject_CallFunction(call_.ptr(), "LL", static_cast<long long>(done),
                                                 static_cast<long long>(total));
  Py_XDECREF(result);
  return result != nullptr;
}

}  // namespace multibuffer::python
