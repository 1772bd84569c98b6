#include "host/python/support/class.hpp"

#include "host/support/text.hpp"

#include <structmember.h>

#include <cstddef>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

PyObject* refuse_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyErr_Format(PyExc_TypeError,
               "%s is not made by calling its class: the functions and methods of multibuffer "
               "return such objects",
               type->tp_name);
  return nullptr;
}

PyObject* refuse_pickling(PyObject* self, PyObject*) {
  PyErr_Format(PyExc_TypeError, "cannot pickle or copy a %s: what it holds belongs to this process",
               Py_TYPE(self)->tp_name);
  return nullptr;
}

unsigned long flags_of_types() {
  unsigned long flags = Py_TPFLAGS_DEFAULT;
#ifdef Py_TPFLAGS_IMMUTABLETYPE  // from CPython 3.10 on
  flags |= Py_TPFLAGS_IMMUTABLETYPE;
#endif
  return flags;
}

/// The base of all of our classes, and of nothing else. Without it they would be derived
/// from `object` alone, by whose ways copyreg would pickle them as if they held nothing.
PyTypeObject* base_type() {
  static PyMemberDef members[] = {
      {"__weaklistoffset__", T_PYSSIZET, offsetof(Header, weak_references), READONLY, nullptr}, {}};
  static PyMethodDef methods[] = {
      {"__reduce__", refuse_pickling, METH_NOARGS, "TypeError: these objects are not pickled."},
      {"__reduce_ex__", refuse_pickling, METH_O, "TypeError: these objects are not pickled."},
      {}};
  static PyType_Slot slots[] = {
      {Py_tp_new, reinterpret_cast<void*>(refuse_new)},
      {Py_tp_members, members},
      {Py_tp_methods, methods},
      {Py_tp_doc, const_cast<char*>("What the classes of multibuffer have in common.")},
      {}};
  static PyType_Spec spec{"multibuffer.Object", sizeof(Header), 0,
                          static_cast<unsigned int>(flags_of_types() | Py_TPFLAGS_BASETYPE), slots};
  static PyObject* const type = PyType_FromSpec(&spec);
  if (!type) throw py::error_already_set();
  return reinterpret_cast<PyTypeObject*>(type);
}

}  // namespace

PyTypeObject* make_type(TypeParts& parts, std::size_t size, bool is_collected) {
  parts.methods.push_back({});
  parts.properties.push_back({});
  parts.slots.push_back({Py_tp_methods, parts.methods.data()});
  parts.slots.push_back({Py_tp_getset, parts.properties.data()});
  parts.slots.push_back({});
  PyType_Spec spec{
      parts.name.c_str(), static_cast<int>(size), 0,
      static_cast<unsigned int>(flags_of_types() | (is_collected ? Py_TPFLAGS_HAVE_GC : 0UL)),
      parts.slots.data()};
  PyTypeObject* const base = base_type();
  const auto bases = py::reinterpret_steal<py::object>(PyTuple_Pack(1, base));
  if (!bases) throw py::error_already_set();
  PyObject* const type = PyType_FromSpecWithBases(&spec, bases.ptr());
  if (!type) throw py::error_already_set();
  return reinterpret_cast<PyTypeObject*>(type);  // never freed
}

}  // namespace multibuffer::python
