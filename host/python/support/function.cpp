#include "host/python/support/function.hpp"

#include "host/support/text.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

/// The value of a literal in a text signature.
PyObject* literal(std::string_view text) {
  if (text == "None") return py::none().release().ptr();
  if (text == "True" || text == "False") return PyBool_FromLong(text == "True");
  if (text.size() >= 2 && text.front() == '\'' && text.back() == '\'')
    return to_python(text.substr(1, text.size() - 2));
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return PyLong_FromLong(value);
  throw std::logic_error(multibuffer::text("no literal: ", text));
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  return text;
}

}  // namespace

PyObject* to_python(std::string_view text) {
  // The formats of exporters are bytes of any kind.
  return PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape");
}

Signature::Signature(const char* text) {
  std::string_view rest = text;
  const std::size_t opening = rest.find('(');
  name_ = rest.substr(0, opening);
  rest = rest.substr(opening + 1, rest.rfind(')') - opening - 1);
  bool keyword_only = false;
  for (bool is_self = true; !rest.empty(); is_self = false) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    std::string_view part = trimmed(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (is_self) continue;  // $self or $module
    if (part == "*") {
      keyword_only = true;
      continue;
    }
    if (part.starts_with('*')) {
      takes_rest_ = true;
      part.remove_prefix(1);
    }
    const std::size_t equals = part.find('=');
    Parameter parameter;
    parameter.text = part.substr(0, equals);
    parameter.name = PyUnicode_InternFromString(parameter.text.c_str());
    if (equals != std::string_view::npos) parameter.otherwise = literal(part.substr(equals + 1));
    if (!parameter.name || PyErr_Occurred()) throw py::error_already_set();
    parameters_.push_back(std::move(parameter));
    if (!keyword_only && !takes_rest_) ++positional_;
  }
}

void Signature::bind(std::span<PyObject* const> positional, PyObject* const* keyword_values,
                     PyObject* keywords, std::span<py::handle> bound, py::tuple& rest) const {
  if (takes_rest_) {
    rest = py::tuple(positional.size());
    for (std::size_t i = 0; i < positional.size(); ++i)
      PyTuple_SET_ITEM(rest.ptr(), static_cast<Py_ssize_t>(i),
                       py::handle(positional[i]).inc_ref().ptr());
    bound[0] = rest;
  } else if (positional.size() > positional_) {
    throw py::type_error(text(name_, "() takes at most ", positional_, " positional argument",
                              positional_ == 1 ? "" : "s", ", but ", positional.size(),
                              positional.size() == 1 ? " was" : " were", " given"));
  } else {
    std::ranges::copy(positional, bound.begin());
  }
  const Py_ssize_t count = keywords ? PyTuple_GET_SIZE(keywords) : 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    const std::size_t parameter = find(PyTuple_GET_ITEM(keywords, i));
    if (bound[parameter])
      throw py::type_error(
          text(name_, "() got multiple values for argument '", parameters_[parameter].text, "'"));
    bound[parameter] = keyword_values[i];
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (bound[i]) continue;
    bound[i] = parameters_[i].otherwise;
    if (!bound[i])
      throw py::type_error(text(name_, "() is missing the argument '", parameters_[i].text, "'"));
  }
}

std::size_t Signature::find(PyObject* keyword) const {
  // Most names are told apart by their address.
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    if (parameters_[i].name == keyword && !takes_rest_) return i;
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    if (!takes_rest_ && PyUnicode_CompareWithASCIIString(keyword, parameters_[i].text.c_str()) == 0)
      return i;
  throw py::type_error(text(name_, "() got an unexpected keyword argument ", repr_of(keyword)));
}

PyMethodDef definition_of(const Signature*& signature, FastCall call, std::size_t parameters,
                          const char* text, const char* doc) {
  if (!signature) signature = new Signature(text);  // never freed
  if (signature->size() != parameters)
    throw std::logic_error(multibuffer::text(text, " has not ", parameters, " parameters"));
  const auto* const full = new std::string(multibuffer::text(text, "\n--\n\n", doc));
  return {signature->name(), reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call)),
          METH_FASTCALL | METH_KEYWORDS, full->c_str()};
}

}  // namespace multibuffer::python
