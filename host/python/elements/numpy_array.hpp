#pragma once

#include <multibuffer/format.hpp>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace multibuffer::python {

/// NumPy's array type; null where NumPy has not been imported, and so no object can be of it.
PyTypeObject* ndarray_type();

/// An array of NumPy's own type, by the fields of the object, whose places are part of NumPy's ABI.
/// To ask such an array for its buffer takes longer than many a small gather, and says nothing new:
/// an export of NumPy's is a description and a reference. Whoever uses the memory holds the object.
class NumpyArray {
 public:
  /// Nothing for what is no ndarray, or of a subclass, whose answers are its own.
  static std::optional<NumpyArray> of(pybind11::handle object) {
    const PyTypeObject* const type = ndarray_type();
    if (!type || Py_TYPE(object.ptr()) != type) return {};
    return NumpyArray(object);
  }

  std::byte* data() const { return reinterpret_cast<std::byte*>(fields_->data); }
  std::span<const std::int64_t> shape() const { return {numbers(fields_->dimensions), ndim()}; }
  std::span<const std::int64_t> strides() const { return {numbers(fields_->strides), ndim()}; }
  bool is_c_contiguous() const { return has(Api::NPY_ARRAY_C_CONTIGUOUS_); }
  bool is_aligned() const { return has(Api::NPY_ARRAY_ALIGNED_); }
  bool is_writeable() const { return has(Api::NPY_ARRAY_WRITEABLE_); }
  PyObject* dtype() const { return fields_->descr; }
  int flags() const { return fields_->flags; }

  /// The type of its elements, if they are NumPy's own numbers or bools in native byte order.
  std::optional<Type> native_type() const;

 private:
  using Api = pybind11::detail::npy_api;
  explicit NumpyArray(pybind11::handle object)
      : fields_(pybind11::detail::array_proxy(static_cast<const void*>(object.ptr()))) {}
  std::size_t ndim() const { return static_cast<std::size_t>(fields_->nd); }
  bool has(int flag) const { return (fields_->flags & flag) == flag; }
  static const std::int64_t* numbers(const Py_ssize_t* given) { return given; }

  const pybind11::detail::PyArray_Proxy* fields_;
};

/// By NumPy's numbers of its types, those from here on are other packages'.
inline constexpr int first_registered_number = 256;  // NPY_USERDEF

/// The dtype of an array of NumPy's, of a subclass or of a scalar, if another package has
/// registered it.
std::optional<pybind11::object> registered_dtype(pybind11::handle object);

/// The dtype of an array of NumPy's, of a subclass or of a scalar, whose elements are dates or time
/// spans.
std::optional<pybind11::object> date_dtype(pybind11::handle object);

/// Calls `numpy.dtype` with a dtype argument; None for None. Throws NumPy's own exception, or
/// TypeError where NumPy has no words.
pybind11::object numpy_dtype(pybind11::handle dtype);

/// Returns true if `object` is one of NumPy's integers, as numpy.int64(3) is.
bool is_numpy_integer(pybind11::handle object);

/// Returns true for one of NumPy's dates or time spans, as numpy.datetime64(3, "s") is.
bool is_numpy_date(pybind11::handle object);

}  // namespace multibuffer::python
