#include "vectorcall.hpp"

#include "host/text.hpp"

#include <algorithm>
#include <cassert>

namespace py = pybind11;

namespace multibuffer::python {

ParameterNames::ParameterNames(const char* method, std::span<const Parameter> parameters)
    : method_(method), parameters_(parameters) {
  assert(parameters.size() <= names_.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    names_[i] = PyUnicode_InternFromString(parameters[i].name);  // for as long as the module
    if (!names_[i]) throw py::error_already_set();
  }
  positional_ =
      static_cast<std::size_t>(std::ranges::count(parameters, false, &Parameter::keyword_only));
}

void ParameterNames::bind(std::span<PyObject* const> positional, PyObject* const* keyword_values,
                          PyObject* keywords, std::span<py::handle> bound) const {
  if (positional.size() > positional_)
    throw py::type_error(text(method_, "() takes at most ", positional_,
                              " positional arguments, but ", positional.size(), " were given"));
  std::ranges::copy(positional, bound.begin());
  const Py_ssize_t count = keywords ? PyTuple_GET_SIZE(keywords) : 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    const std::size_t parameter = find(PyTuple_GET_ITEM(keywords, i));
    if (bound[parameter])
      throw py::type_error(
          text(method_, "() got multiple values for argument '", parameters_[parameter].name, "'"));
    bound[parameter] = keyword_values[i];
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    if (parameters_[i].required && !bound[i])
      throw py::type_error(text(method_, "() is missing the argument '", parameters_[i].name, "'"));
}

std::size_t ParameterNames::find(PyObject* keyword) const {
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    if (names_[i] == keyword) return i;
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    if (PyUnicode_CompareWithASCIIString(keyword, parameters_[i].name) == 0) return i;
  throw py::type_error(text(method_, "() got an unexpected keyword argument ",
                            py::repr(keyword).cast<std::string>()));
}

}  // namespace multibuffer::python
