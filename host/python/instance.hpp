#pragma once

#include <pybind11/pybind11.h>

#include <string>

namespace multibuffer::python {

/// The C++ object of a Python object that is known to be a `T`, or null where `__init__` never ran.
/// Neither throws nor makes Python objects.
template <class T>
T* object_in(PyObject* self) {
  static const auto* const type = pybind11::detail::get_type_info(typeid(T));
  auto* const instance = reinterpret_cast<pybind11::detail::instance*>(self);
  const pybind11::detail::value_and_holder found = instance->get_value_and_holder(type, false);
  return found.holder_constructed() ? found.value_ptr<T>() : nullptr;
}

/// The same for who cannot do without it: throws TypeError.
template <class T>
T& self_of(PyObject* self) {
  T* const object = object_in<T>(self);
  if (!object)
    throw pybind11::type_error(std::string(Py_TYPE(self)->tp_name) + ".__init__() was not called");
  return *object;
}

}  // namespace multibuffer::python
