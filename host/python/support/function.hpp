#pragma once

#include "host/python/support/errors.hpp"
#include "host/python/support/instance.hpp"
#include "host/python/support/progress.hpp"
#include "host/python/support/values.hpp"

#include <pybind11/pybind11.h>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

// C++ functions as Python's own builtin functions and methods, by CPython's vectorcall protocol:
// arguments come as they lie on the interpreter's stack. pybind11 would make a tuple and a dict of
// them, which takes longer than a small gather, and where they do not fit its own message, which
// shows every argument.
//
// A function's parameters are said once, in its text signature, which help() shows as well.
// Arguments become C++ values by `Argument`, whose messages name them.

namespace multibuffer::python {

/// A text signature such as "take($self, indices, axis=0, *, dtype=None)", read: the names, and the
/// defaults, which are None, True, False, integers, or words in single quotes. "*names" takes what
/// is left over, and is then the only parameter.
class Signature {
 public:
  explicit Signature(const char* text);

  const char* name() const { return name_.c_str(); }
  std::size_t size() const { return parameters_.size(); }
  const char* parameter(std::size_t i) const { return parameters_[i].text.c_str(); }

  /// `bound[i]` becomes the argument for parameter i. Throws TypeError as Python does for arguments
  /// that do not go with the parameters. What it binds for "*names" is `rest`, a tuple.
  void bind(std::span<PyObject* const> positional, PyObject* const* keyword_values,
            PyObject* keywords, std::span<pybind11::handle> bound, pybind11::tuple& rest) const;

 private:
  struct Parameter {
    std::string text;
    PyObject* name = nullptr;  ///< interned, as the interpreter has it in keywords
    PyObject* otherwise = nullptr;
  };
  std::size_t find(PyObject* keyword) const;

  std::string name_;
  std::vector<Parameter> parameters_;
  std::size_t positional_ = 0;
  bool takes_rest_ = false;
};

// ---- Arguments

/// Converts an argument to a `T`.
template <class T>
struct Argument;
template <>
struct Argument<pybind11::handle> {
  static pybind11::handle from(pybind11::handle object, const char*) { return object; }
};
template <>
struct Argument<pybind11::object> {
  static pybind11::object from(pybind11::handle object, const char*) {
    return pybind11::reinterpret_borrow<pybind11::object>(object);
  }
};
template <>
struct Argument<pybind11::args> {
  static pybind11::args from(pybind11::handle object, const char*) {
    return pybind11::reinterpret_borrow<pybind11::args>(object);
  }
};
template <>
struct Argument<int> {
  static int from(pybind11::handle object, const char* name) {
    return integer_argument(object, name);
  }
};
template <>
struct Argument<bool> {
  static bool from(pybind11::handle object, const char* name) {
    return flag_argument(object, name);
  }
};
template <>
struct Argument<std::optional<bool>> {
  static std::optional<bool> from(pybind11::handle object, const char* name) {
    if (object.is_none()) return std::nullopt;
    return flag_argument(object, name);
  }
};
template <>
struct Argument<double> {
  static double from(pybind11::handle object, const char* name) {
    return number_argument(object, name);
  }
};
template <>
struct Argument<std::int64_t> {
  static std::int64_t from(pybind11::handle object, const char* name) {
    return long_argument(object, name);
  }
};
template <>
struct Argument<std::uintptr_t> {
  static std::uintptr_t from(pybind11::handle object, const char* name) {
    return address_argument(object, name);
  }
};
template <>
struct Argument<std::vector<std::int64_t>> {
  static std::vector<std::int64_t> from(pybind11::handle object, const char* name) {
    return integers_argument(object, name);
  }
};
template <>
struct Argument<std::string> {
  static std::string from(pybind11::handle object, const char* name) {
    return text_argument(object, name);
  }
};
template <>
struct Argument<IndexMode> {
  static IndexMode from(pybind11::handle object, const char*) { return mode_of(object); }
};
template <>
struct Argument<Order> {
  static Order from(pybind11::handle object, const char*) { return order_of(object); }
};
template <>
struct Argument<Progress> {
  static Progress from(pybind11::handle object, const char* name) {
    return Progress::from(object, name);
  }
};

// ---- Results

inline PyObject* to_python(pybind11::object object) { return object.release().ptr(); }
inline PyObject* to_python(bool value) { return PyBool_FromLong(value); }
inline PyObject* to_python(std::signed_integral auto value) { return PyLong_FromLongLong(value); }
inline PyObject* to_python(std::unsigned_integral auto value) {
  return PyLong_FromUnsignedLongLong(value);
}
inline PyObject* to_python(std::floating_point auto value) { return PyFloat_FromDouble(value); }
PyObject* to_python(std::string_view text);
inline PyObject* to_python(const std::string& text) { return to_python(std::string_view(text)); }
inline PyObject* to_python(const char* text) { return to_python(std::string_view(text)); }
template <class T>
PyObject* to_python(const std::optional<T>& value) {
  if (!value) Py_RETURN_NONE;
  return to_python(*value);
}
/// One of our own objects.
template <class T>
requires std::is_class_v<T> &&(!std::convertible_to<T, pybind11::handle>)&&(
    !std::convertible_to<T, std::string_view>)PyObject* to_python(T value) {
  return wrap(std::move(value)).release().ptr();
}

// ---- Calls

/// Returns what `work` returns, or null with what it threw as Python's exception.
template <class Work>
PyObject* guarded(const Work& work) {
  try {
    return work();
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}

/// Its result as Python's; None for none.
template <class Function, class... Arguments>
PyObject* call_for_python(Function function, Arguments&&... arguments) {
  using Result = std::invoke_result_t<Function, Arguments...>;
  if constexpr (std::is_void_v<Result>) {
    std::invoke(function, std::forward<Arguments>(arguments)...);
    Py_RETURN_NONE;
  } else {
    return to_python(std::invoke(function, std::forward<Arguments>(arguments)...));
  }
}

/// Set where a function is made one of Python's, for as long as the process.
template <auto function>
inline const Signature* signature_of = nullptr;

using FastCall = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*);

/// The function's arguments after `given...`, which come from elsewhere.
template <auto function, class... Parameters, class... Given>
PyObject* call_with_arguments(PyObject* const* arguments, Py_ssize_t count, PyObject* keywords,
                              Given&... given) {
  const Signature& signature = *signature_of<function>;
  std::array<pybind11::handle, sizeof...(Parameters)> bound;
  pybind11::tuple rest = pybind11::reinterpret_steal<pybind11::tuple>(pybind11::handle());
  signature.bind({arguments, static_cast<std::size_t>(count)}, arguments + count, keywords, bound,
                 rest);
  return [&]<std::size_t... i>(std::index_sequence<i...>) {
    // In braces they are converted from first to last, and the first that is wrong is named.
    std::tuple<std::remove_cvref_t<Parameters>...> values{
        Argument<std::remove_cvref_t<Parameters>>::from(bound[i], signature.parameter(i))...};
    return call_for_python(function, given..., std::get<i>(values)...);
  }
  (std::index_sequence_for<Parameters...>());
}

/// A function of the module.
template <auto function>
struct FunctionOf;
template <class Result, class... Parameters, Result (*function)(Parameters...)>
struct FunctionOf<function> {
  static constexpr std::size_t count = sizeof...(Parameters);
  static PyObject* call(PyObject*, PyObject* const* arguments, Py_ssize_t given,
                        PyObject* keywords) {
    return guarded(
        [&] { return call_with_arguments<function, Parameters...>(arguments, given, keywords); });
  }
};

/// A method, whose first parameter is a `Self` or the Python object that holds it. CPython has seen
/// to it that the object is one of the type.
template <class Self, auto function>
struct MethodOf;
template <class Self, class Result, class First, class... Parameters,
          Result (*function)(First, Parameters...)>
struct MethodOf<Self, function> {
  static constexpr std::size_t count = sizeof...(Parameters);
  static PyObject* call(PyObject* self, PyObject* const* arguments, Py_ssize_t given,
                        PyObject* keywords) {
    return guarded([&] {
      if constexpr (std::is_same_v<First, pybind11::handle>) {
        const pybind11::handle object(self);
        return call_with_arguments<function, Parameters...>(arguments, given, keywords, object);
      } else {
        return call_with_arguments<function, Parameters...>(arguments, given, keywords,
                                                            value_in<Self>(self));
      }
    });
  }
};

/// Makes the definition of a function for CPython, which keeps pointers into it.
PyMethodDef definition_of(const Signature*& signature, FastCall call, std::size_t parameters,
                          const char* text, const char* doc);

/// Makes `function` one of the module's, with a text signature that begins "name($module, ...".
template <auto function>
void add_function(pybind11::module_& module, const char* text, const char* doc) {
  // The end of the list, and room for one.
  static std::array<PyMethodDef, 2> definitions{};
  using Function = FunctionOf<function>;
  definitions[0] =
      definition_of(signature_of<function>, Function::call, Function::count, text, doc);
  if (PyModule_AddFunctions(module.ptr(), definitions.data()) != 0)
    throw pybind11::error_already_set();
}

}  // namespace multibuffer::python
