#pragma once

#include "errors.hpp"
#include "instance.hpp"

#include <pybind11/pybind11.h>

#include <array>
#include <cstddef>
#include <span>

// Methods by CPython's vectorcall protocol, of classes that pybind11 has made: arguments come as
// they lie on the interpreter's stack. The tuple, the dict and the casts of pybind11's own calls
// take longer than a small gather.

namespace multibuffer::python {

/// What stands in a method's signature after self.
struct Parameter {
  const char* name;
  bool required = false;
  bool keyword_only = false;  ///< these are the last
};

/// The names as the interpreter has them in keywords: most are told apart by their address.
class ParameterNames {
 public:
  ParameterNames(const char* method, std::span<const Parameter> parameters);

  /// `bound[i]` becomes the argument for parameter i, or null where there is none. Throws TypeError
  /// as Python does for arguments that do not go with the parameters.
  void bind(std::span<PyObject* const> positional, PyObject* const* keyword_values,
            PyObject* keywords, std::span<pybind11::handle> bound) const;

 private:
  std::size_t find(PyObject* keyword) const;

  const char* method_;
  std::span<const Parameter> parameters_;
  std::array<PyObject*, 8> names_{};
  std::size_t positional_ = 0;
};

/// A `METH_FASTCALL | METH_KEYWORDS` function of `Method`, which has
///
///     static constexpr const char* name, * doc;   // doc begins with "name($self, ...)\n--\n\n"
///     static constexpr std::array<Parameter, N> parameters;
///     static pybind11::object call(Self&, const std::array<pybind11::handle, N>& arguments);
template <class Self, class Method>
PyObject* vectorcall(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                     PyObject* keywords) {
  try {
    static const ParameterNames names(Method::name, Method::parameters);
    std::array<pybind11::handle, Method::parameters.size()> bound;
    const auto positional = static_cast<std::size_t>(count);
    names.bind({arguments, positional}, arguments + count, keywords, bound);
    return Method::call(self_of<Self>(self), bound).release().ptr();
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}

/// Makes `Method` a method of the class.
template <class Method, class Class>
void def_vectorcall(Class& cls) {
  using Function = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*);
  constexpr Function function = vectorcall<typename Class::type, Method>;
  // The descriptor keeps a pointer to it.
  static PyMethodDef definition{
      Method::name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function)),
      METH_FASTCALL | METH_KEYWORDS, Method::doc};
  const auto descriptor = pybind11::reinterpret_steal<pybind11::object>(
      PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(cls.ptr()), &definition));
  if (!descriptor) throw pybind11::error_already_set();
  pybind11::setattr(cls, Method::name, descriptor);
}

}  // namespace multibuffer::python
