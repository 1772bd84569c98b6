#pragma once

#include "host/python/support/shares.hpp"

#include <pybind11/pybind11.h>

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

// The Python objects that hold our C++ objects. Their types are made by class.hpp, once, and are
// final, immutable, and called by nobody: so an object of such a type comes from `wrap` alone, and
// always holds what its type says.

namespace multibuffer::python {

/// The first fields of all of our objects.
struct Header {
  PyObject ob_base;
  PyObject* weak_references;
};

template <class T>
struct Instance {
  Header header;
  alignas(T) std::byte value[sizeof(T)];
};

/// The Python type of objects that hold a `T`.
template <class T>
inline PyTypeObject* type_of = nullptr;

/// The `T`, which may be a const one, in an object of its type.
template <class T>
T& value_in(PyObject* self) {
  using Object = Instance<std::remove_const_t<T>>;
  return *std::launder(reinterpret_cast<T*>(reinterpret_cast<Object*>(self)->value));
}

/// The `T` in any object, or null if the object is of another type.
template <class T>
T* object_in(pybind11::handle object) {
  const bool is_one = Py_TYPE(object.ptr()) == type_of<std::remove_const_t<T>>;
  return is_one ? &value_in<T>(object.ptr()) : nullptr;
}

/// A new Python object that holds `value`.
template <class T>
pybind11::object wrap(T value) {
  static_assert(std::is_nothrow_move_constructible_v<T>);
  static_assert(alignof(Instance<T>) <= alignof(std::max_align_t));
  PyTypeObject* const type = type_of<T>;
  const bool is_collected = PyType_IS_GC(type) != 0;
  auto* const self = is_collected ? PyObject_GC_New(Instance<T>, type)  //
                                  : PyObject_New(Instance<T>, type);
  if (!self) throw pybind11::error_already_set();
  self->header.weak_references = nullptr;
  Shares<T>::each(value, [](const Share& share) { begin_sharing(share); });
  std::construct_at(reinterpret_cast<T*>(self->value), std::move(value));
  // The collector may look at it from now on.
  if (is_collected) PyObject_GC_Track(self);
  return pybind11::reinterpret_steal<pybind11::object>(reinterpret_cast<PyObject*>(self));
}

}  // namespace multibuffer::python
