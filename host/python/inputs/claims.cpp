#include "host/python/inputs/claims.hpp"

#include "host/python/elements/numpy_array.hpp"
#include "host/python/support/attributes.hpp"
#include "host/python/support/values.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <string>
#include <string_view>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

/// A name that is looked up by its address.
class Name {
 public:
  explicit Name(const char* word) : word_(PyUnicode_InternFromString(word)) {}
  PyObject* get() const { return word_; }

 private:
  PyObject* word_;  // to the end of the process
};

PyObject* conjugate_name() {
  static const Name name("is_conj");
  return name.get();
}
PyObject* negative_name() {
  static const Name name("is_neg");
  return name.get();
}
PyObject* gradient_name() {
  static const Name name("requires_grad");
  return name.get();
}

/// Takes `answer` over: 1, 0, or -1 with an exception set.
int truth_of(PyObject* answer) {
  if (!answer) return -1;
  const int truth = answer == Py_True ? 1 : answer == Py_False ? 0 : PyObject_IsTrue(answer);
  Py_DECREF(answer);
  return truth;
}

int says(PyObject* object, PyObject* method) {
  return truth_of(PyObject_CallMethodNoArgs(object, method));
}
int has_set(PyObject* object, PyObject* attribute) {
  return truth_of(PyObject_GetAttr(object, attribute));
}

[[noreturn]] void refuse(py::handle object, std::string_view why) {
  throw py::buffer_error(text(Py_TYPE(object.ptr())->tp_name, " ", why));
}

/// Throws if `claimed` says so, or that asking failed.
void refuse_if(int claimed, py::handle object, std::string_view why) {
  if (claimed < 0) throw py::error_already_set();
  if (claimed > 0) refuse(object, why);
}

constexpr std::string_view is_conjugated =
    "is conjugated when it is read, and its memory holds the conjugates: give .resolve_conj()";
constexpr std::string_view is_negated =
    "is negated when it is read, and its memory holds the negatives: give .resolve_neg()";
constexpr std::string_view is_recorded =
    "requires a gradient, and what is read or written here is not recorded: give .detach()";

/// Returns None where there is no such attribute, or asking fails: a failure is being explained
/// already.
py::object attribute(py::handle object, const char* name) {
  try {
    py::object value = find_attribute(object, name);
    return value ? value : py::none();
  } catch (const py::error_already_set& error) {
    if (!error.matches(PyExc_Exception)) throw;
    return py::none();
  }
}

/// Why a tensor of torch's has no elements side by side; empty if it does not say.
std::string why_no_memory(py::handle object) {
  const auto is_true = [&](const char* name) {
    return attribute(object, name).is(py::bool_(true));
  };
  const std::string layout = str_of(attribute(object, "layout"));
  if (layout.starts_with("torch.") && layout != "torch.strided")
    return text("has the layout ", layout,
                ", which is not one block of elements: give .to_dense()");
  if (is_true("is_quantized"))
    return "is quantized, and its memory holds no values: give .dequantize() or .int_repr()";
  if (is_true("is_meta")) return "is on the meta device, where tensors have no elements";
  if (!attribute(object, "get_mask").is_none() && !attribute(object, "get_data").is_none())
    return "hides elements by its mask: give .to_tensor(value), or .get_data()";
  if (is_true("is_nested"))
    return "is a list of tensors of several shapes, which is no array: multibuffer.ragged() takes "
           "it, or give those of .unbind()";
  return {};
}

std::string first_line(std::string said) {
  said.resize(std::min(said.find('\n'), said.size()));
  return said;
}

}  // namespace

TensorClaims::TensorClaims(py::handle example)
    : has_conjugate_(has_attribute(example, py::handle(conjugate_name()))),
      has_negative_(has_attribute(example, py::handle(negative_name()))),
      has_gradient_(has_attribute(example, py::handle(gradient_name()))) {}

void TensorClaims::check(py::handle object) const {
  PyObject* const asked = object.ptr();
  if (has_conjugate_) refuse_if(says(asked, conjugate_name()), object, is_conjugated);
  if (has_negative_) refuse_if(says(asked, negative_name()), object, is_negated);
  if (has_gradient_) refuse_if(has_set(asked, gradient_name()), object, is_recorded);
}

TwinClaims::Question TwinClaims::question(py::handle example, PyObject* name, bool is_method) {
  PyTypeObject* const type = Py_TYPE(example.ptr());
  Question result;
  result.name = name;
  result.is_method = is_method;
  result.descriptor =
      py::reinterpret_steal<py::object>(PyObject_GetAttr(reinterpret_cast<PyObject*>(type), name));
  PyErr_Clear();  // only the instances have it
  PyObject* const descriptor = result.descriptor.ptr();
  if (is_method && descriptor && Py_TYPE(descriptor) == &PyMethodDescr_Type) {
    const PyMethodDef& method = *reinterpret_cast<PyMethodDescrObject*>(descriptor)->d_method;
    if (method.ml_flags == METH_NOARGS) result.method = method.ml_meth;
  } else if (!is_method && descriptor && Py_TYPE(descriptor) == &PyGetSetDescr_Type) {
    const PyGetSetDef& attribute = *reinterpret_cast<PyGetSetDescrObject*>(descriptor)->d_getset;
    result.get = attribute.get;
    result.closure = attribute.closure;
  }
  return result;
}

int TwinClaims::answer(const Question& question, PyObject* object) {
  if (question.method) return truth_of(question.method(object, nullptr));
  if (question.get) return truth_of(question.get(object, question.closure));
  return question.is_method ? says(object, question.name) : has_set(object, question.name);
}

TwinClaims::TwinClaims(const TensorClaims& claims, py::handle example, bool complex) {
  if (claims.has_conjugate_ && complex)
    questions_.push_back(question(example, conjugate_name(), true));
  if (claims.has_negative_) questions_.push_back(question(example, negative_name(), true));
  if (claims.has_gradient_) questions_.push_back(question(example, gradient_name(), false));
}

bool TwinClaims::are_clear(PyObject* object) const {
  for (const Question& question : questions_) {
    if (answer(question, object) == 0) continue;
    PyErr_Clear();
    return false;
  }
  return true;
}

void check_resolved(py::handle object) {
  const auto moves = [&](const char* resolve) {
    if (!has_attribute(object, resolve) || !has_attribute(object, "data_ptr")) return false;
    const py::object plain = object.attr(resolve)();
    return !plain.is(object) && !plain.attr("data_ptr")().equal(object.attr("data_ptr")());
  };
  bool is_elsewhere_conjugated = false, is_elsewhere_negated = false;
  try {
    is_elsewhere_conjugated = moves("resolve_conj");
    is_elsewhere_negated = moves("resolve_neg");
  } catch (const py::error_already_set& error) {
    // Inside of torch's transforms, what resolve_neg() returns is a wrapper without an address.
    if (!error.matches(PyExc_Exception)) throw;
    TensorClaims(object).check(object);
  }
  if (is_elsewhere_conjugated) refuse(object, is_conjugated);
  if (is_elsewhere_negated) refuse(object, is_negated);
  if (has_attribute(object, py::handle(gradient_name())))
    refuse_if(has_set(object.ptr(), gradient_name()), object, is_recorded);
}

void check_mask(py::handle object) {
  const PyTypeObject* const ndarray = ndarray_type();
  PyTypeObject* const type = Py_TYPE(object.ptr());
  if (!ndarray || type == ndarray ||
      PyType_IsSubtype(type, const_cast<PyTypeObject*>(ndarray)) == 0)
    return;
  // The type is asked, since a record array has a field of any name for an attribute.
  if (!has_attribute(reinterpret_cast<PyObject*>(type), "mask")) return;
  const py::object mask = object.attr("mask");
  if (PyCallable_Check(mask.ptr()) != 0) return;  // a verb
  const auto bits =
      py::module_::import("numpy").attr("asarray")(mask).attr("tobytes")().cast<std::string>();
  if (std::ranges::any_of(bits, [](char bit) { return bit != 0; }))
    refuse(object,
           "hides elements by its mask, for which a buffer has no word: give .filled(), or .data "
           "for what lies under the mask");
}

void explain_refused_tensor(py::handle object, const py::error_already_set& refusal) {
  if (!refusal.matches(PyExc_Exception)) return;
  std::string why = why_no_memory(object);
  if (why.empty()) {
    if (!refusal.matches(PyExc_RuntimeError)) return;
    why = "gives no memory: " + first_line(str_of(refusal.value()));
  }
  PyErr_SetString(PyExc_BufferError, text(Py_TYPE(object.ptr())->tp_name, " ", why).c_str());
  py::error_already_set explained;
  PyException_SetCause(explained.value().ptr(), refusal.value().inc_ref().ptr());
  throw explained;
}

}  // namespace multibuffer::python
