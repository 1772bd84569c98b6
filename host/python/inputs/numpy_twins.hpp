#pragma once

#include "host/python/elements/numpy_array.hpp"

#include <cstddef>
#include <vector>

namespace multibuffer::python {

/// NumPy arrays that lie as one of them does, told by the fields of the objects, whose places are
/// part of NumPy's ABI. Asking such an array for its buffer costs more than np.concatenate takes
/// for reading it, and says nothing new but the address: an export of NumPy's is a description and
/// a reference, and there is nothing to release.
class NumpyTwins {
 public:
  /// Without a model nothing is its twin.
  NumpyTwins() = default;
  /// Takes twins of `model`, which said this of itself; takes none if it is no ndarray or some
  /// subclass, whose answers are its own.
  NumpyTwins(pybind11::handle model, const Py_buffer& said);

  /// Tells whether an export of `object` would say what the model's did of the address
  /// `data(object)`.
  bool has(PyObject* object) const {
    if (!type_ || Py_TYPE(object) != type_) return false;
    const auto* array = fields(object);
    return array->descr == dtype_.ptr() && ((array->flags ^ flags_) & ~owns_its_memory) == 0 &&
           array->nd == static_cast<int>(shape_.size()) &&
           std::equal(shape_.begin(), shape_.end(), array->dimensions) &&
           std::equal(strides_.begin(), strides_.end(), array->strides);
  }
  static const std::byte* data(PyObject* object) {
    return reinterpret_cast<const std::byte*>(fields(object)->data);
  }
  /// Asks for the memory that `has` reads, in two steps: the object, and what it points to.
  void prefetch_object(PyObject* object) const {
    if (!type_) return;
    __builtin_prefetch(object, 1);
    __builtin_prefetch(&fields(object)->flags);
  }
  void prefetch_axes(PyObject* object) const {
    if (type_ && Py_TYPE(object) == type_) __builtin_prefetch(fields(object)->dimensions);
  }

 private:
  static const pybind11::detail::PyArray_Proxy* fields(PyObject* object) {
    return pybind11::detail::array_proxy(static_cast<const void*>(object));
  }

  static constexpr int owns_its_memory = 4;  ///< NPY_ARRAY_OWNDATA

  PyTypeObject* type_ = nullptr;
  pybind11::object dtype_;  ///< held: else another could take its address
  int flags_ = 0;
  std::vector<Py_ssize_t> shape_, strides_;
};

}  // namespace multibuffer::python
