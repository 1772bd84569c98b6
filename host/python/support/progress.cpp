#include "host/python/support/progress.hpp"

#include "host/support/text.hpp"

#include <limits>

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

void Progress::tell_all(std::int64_t itemsize, std::span<const std::int64_t> extents) const {
  if (!call_) return;
  std::int64_t bytes = itemsize;
  for (const std::int64_t extent : extents)
    if (__builtin_mul_overflow(bytes, extent, &bytes))
      bytes = std::numeric_limits<std::int64_t>::max();
  if (!tell(bytes, bytes)) throw py::error_already_set();
}

bool Progress::tell(std::int64_t done, std::int64_t total) const noexcept {
  PyObject* const result = PyObject_CallFunction(call_.ptr(), "LL", static_cast<long long>(done),
                                                 static_cast<long long>(total));
  Py_XDECREF(result);
  return result != nullptr;
}

}  // namespace multibuffer::python
