#pragma once

#include "host/python/support/function.hpp"
#include "host/python/support/instance.hpp"

#include <pybind11/pybind11.h>

#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace multibuffer::python {

/// The parts of a type. Never freed, since CPython keeps pointers into them.
struct TypeParts {
  std::string name;
  std::vector<PyMethodDef> methods;
  std::vector<PyGetSetDef> properties;
  std::vector<PyType_Slot> slots;
};

/// Makes the type, whose objects are of `size` bytes.
PyTypeObject* make_type(TypeParts& parts, std::size_t size, bool is_collected);

/// The class of Python objects that hold a `T`: collects what it is made of, and makes it in the
/// end. Nobody can call it, derive from it or change it, and its objects are not pickled.
template <class T>
class Class {
 public:
  Class(const char* name, const char* doc) : parts_(*new TypeParts) {
    parts_.name = std::string("multibuffer.") + name;
    slot<void (*)(PyObject*)>(Py_tp_dealloc, deallocate);
    parts_.slots.push_back({Py_tp_doc, const_cast<char*>(doc)});
  }

  /// A method, with a text signature that begins "name($self, ...".
  template <auto function>
  Class& method(const char* text, const char* doc) {
    using Method = MethodOf<T, function>;
    parts_.methods.push_back(
        definition_of(signature_of<function>, Method::call, Method::count, text, doc));
    return *this;
  }

  /// A property by `getter`, a function of a `T` or a member.
  template <auto getter>
  Class& property(const char* name, const char* doc) {
    constexpr auto get = [](PyObject* self, void*) {
      return guarded([&] { return call_for_python(getter, std::as_const(value_in<T>(self))); });
    };
    parts_.properties.push_back({name, get, nullptr, doc, nullptr});
    return *this;
  }

  /// A function that CPython finds in the type.
  template <class Function>
  Class& slot(int number, Function function) {
    parts_.slots.push_back({number, reinterpret_cast<void*>(function)});
    return *this;
  }

  template <auto function>
  Class& repr() {
    return slot<reprfunc>(Py_tp_repr, [](PyObject* self) {
      return guarded([&] { return to_python(function(std::as_const(value_in<T>(self)))); });
    });
  }
  template <auto function>
  Class& length() {
    constexpr lenfunc call = [](PyObject* self) -> Py_ssize_t {
      return number([&] { return function(std::as_const(value_in<T>(self))); });
    };
    return slot(Py_mp_length, call).slot(Py_sq_length, call);
  }
  template <auto function>
  Class& truth() {
    return slot<inquiry>(Py_nb_bool, [](PyObject* self) -> int {
      return static_cast<int>(
          number([&] { return std::invoke(function, std::as_const(value_in<T>(self))) ? 1 : 0; }));
    });
  }
  /// `item in a`.
  template <auto function>
  Class& contains() {
    return slot<objobjproc>(Py_sq_contains, [](PyObject* self, PyObject* item) -> int {
      return static_cast<int>(number(
          [&] { return function(value_in<const T>(self), pybind11::handle(item)) ? 1 : 0; }));
    });
  }
  /// `for part in a`, where the parts are a[0], a[1], and so on.
  template <auto shape_of>
  Class& iteration() {
    return slot<getiterfunc>(Py_tp_iter, [](PyObject* self) {
      return guarded([&] {
        if (shape_of(value_in<const T>(self)).empty())
          throw pybind11::type_error("iteration over an array without axes");
        return PySeqIter_New(self);
      });
    });
  }
  /// `a[key]`.
  template <auto function>
  Class& subscript() {
    slot<binaryfunc>(Py_mp_subscript, get_item<function>);
    return slot<ssizeargfunc>(Py_sq_item, [](PyObject* self, Py_ssize_t index) -> PyObject* {
      PyObject* const key = PyLong_FromSsize_t(index);
      if (!key) return nullptr;
      PyObject* const item = get_item<function>(self, key);
      Py_DECREF(key);
      return item;
    });
  }
  /// Objects take part in garbage collection by a function of the type.
  Class& collected_by(traverseproc traverse) {
    is_collected_ = true;
    return slot(Py_tp_traverse, traverse);
  }
  /// Collects objects that hold Python objects only by their `Shares`.
  Class& collected() {
    return collected_by([](PyObject* self, visitproc visit, void* arg) -> int {
      Py_VISIT(Py_TYPE(self));
      int stop = 0;
      Shares<T>::each(value_in<const T>(self), [&](const Share& share) {
        if (stop == 0) stop = traverse(share, visit, arg);
      });
      return stop;
    });
  }
  /// Collects objects whose Python objects `visit_all` visits.
  template <int (*visit_all)(const T&, visitproc visit, void* arg)>
  Class& collected() {
    return collected_by([](PyObject* self, visitproc visit, void* arg) -> int {
      Py_VISIT(Py_TYPE(self));
      return visit_all(value_in<T>(self), visit, arg);
    });
  }

  /// Makes the type.
  PyTypeObject* make() {
    type_of<T> = make_type(parts_, sizeof(Instance<T>), is_collected_);
    return type_of<T>;
  }
  /// Makes the type and adds it to the module.
  PyTypeObject* add_to(pybind11::module_& module) {
    PyTypeObject* const type = make();
    const char* const name = parts_.name.c_str() + parts_.name.find('.') + 1;
    if (PyObject_SetAttrString(module.ptr(), name, reinterpret_cast<PyObject*>(type)) != 0)
      throw pybind11::error_already_set();
    return type;
  }

 private:
  template <auto function>
  static PyObject* get_item(PyObject* self, PyObject* key) {
    return guarded([&] {
      return to_python(
          function(value_in<T>(self), pybind11::reinterpret_borrow<pybind11::object>(key)));
    });
  }

  template <class Work>
  static Py_ssize_t number(const Work& work) {
    try {
      return static_cast<Py_ssize_t>(work());
    } catch (...) {
      set_python_error();
      return -1;
    }
  }

  static void destroy(PyObject* self) {
    PyTypeObject* const type = Py_TYPE(self);
    if (reinterpret_cast<Header*>(self)->weak_references) PyObject_ClearWeakRefs(self);
    std::array<PyObject*, most_shares> kept{};
    auto next = kept.begin();
    Shares<T>::each(value_in<const T>(self), [&](const Share& share) { *next++ = kept_by(share); });
    std::destroy_at(&value_in<T>(self));
    for (PyObject* const each : kept) end_sharing(each);
    type->tp_free(self);
    Py_DECREF(type);
  }
  static void deallocate(PyObject* self) {
    if (!PyObject_IS_GC(self)) return destroy(self);
    PyObject_GC_UnTrack(self);
    // An array may keep an array that keeps another, and so on: CPython frees a long chain in
    // turns, and not one call within the other.
    Py_TRASHCAN_BEGIN(self, deallocate) destroy(self);
    Py_TRASHCAN_END
  }

  TypeParts& parts_;
  bool is_collected_ = false;
};

}  // namespace multibuffer::python
