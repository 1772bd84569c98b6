#include "host/python/inputs/numpy_twins.hpp"

#include <algorithm>

namespace py = pybind11;

namespace multibuffer::python {

NumpyTwins::NumpyTwins(py::handle model, const Py_buffer& said, Alike alike) {
  PyTypeObject* const type = ndarray_type();
  if (!type || Py_TYPE(model.ptr()) != type) return;
  const auto* array = fields(model.ptr());
  const bool says_its_fields =
      array->data == said.buf && array->nd == said.ndim &&
      std::equal(array->dimensions, array->dimensions + said.ndim, said.shape);
  if (!says_its_fields) return;
  type_ = type;
  dtype_ = py::reinterpret_borrow<py::object>(array->descr);
  flags_ = array->flags;
  shape_.assign(array->dimensions, array->dimensions + array->nd);
  strides_.assign(array->strides, array->strides + array->nd);
  if (alike == Alike::equal) return;
  free_axes_ = 1;
  // Of an array without elements the fields may say anything, and the export what is dense.
  if (said.strides) strides_.assign(said.strides, said.strides + said.ndim);
  ignored_flags_ |= fortran_order;  // a row of one item is in both orders
}

}  // namespace multibuffer::python
