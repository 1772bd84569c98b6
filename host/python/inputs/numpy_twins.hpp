#pragma once

#include "host/python/elements/numpy_array.hpp"
#include "host/support/prefetch.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace multibuffer::python {

/// Which arrays of a list lie alike.
enum class Alike {
  equal,  ///< those of one shape
  rows    ///< rows of any length: dense arrays of one shape but for the first axis
};

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
  NumpyTwins(pybind11::handle model, const Py_buffer& said, Alike alike = Alike::equal);

  /// Tells whether an export of `object` would say what the model's did of the address
  /// `data(object)`.
  bool has(PyObject* object) const {
    if (!type_ || Py_TYPE(object) != type_) return false;
    const auto* array = fields(object);
    return array->descr == dtype_.ptr() && ((array->flags ^ flags_) & ~ignored_flags_) == 0 &&
           array->nd == static_cast<int>(shape_.size()) &&
           are_equal(shape_, array->dimensions, free_axes_) && has_strides(array);
  }
  /// The extent of a twin's first axis.
  static std::int64_t length(PyObject* object) { return fields(object)->dimensions[0]; }
  static const std::byte* data(PyObject* object) {
    return reinterpret_cast<const std::byte*>(fields(object)->data);
  }
  /// Asks for the memory that `has` reads, in two steps: the object, and what it points to.
  void prefetch_object(PyObject* object) const {
    if (!type_) return;
    prefetch_to_first_cache(object);
    prefetch_to_first_cache(&fields(object)->flags);
  }
  void prefetch_axes(PyObject* object) const {
    if (type_ && Py_TYPE(object) == type_) prefetch_to_first_cache(fields(object)->dimensions);
  }

 private:
  static const pybind11::detail::PyArray_Proxy* fields(PyObject* object) {
    return pybind11::detail::array_proxy(static_cast<const void*>(object));
  }

  /// Rows that are dense are so whatever the strides along axes of one item or none, where NumPy
  /// leaves what some function has put there.
  bool has_strides(const pybind11::detail::PyArray_Proxy* array) const {
    const bool any_strides = free_axes_ > 0 && array->dimensions[0] <= 1;
    return are_equal(strides_, array->strides, any_strides ? 1 : 0) ||
           (any_strides && array->dimensions[0] == 0);
  }

  /// Compares a few numbers, without the call of memcmp that std::equal is, a tenth of all.
  static bool are_equal(const std::vector<Py_ssize_t>& ours, const Py_ssize_t* theirs,
                        std::size_t first) {
    for (std::size_t i = first; i < ours.size(); ++i)
      if (ours[i] != theirs[i]) return false;
    return true;
  }

  static constexpr int fortran_order = 2;    ///< NPY_ARRAY_F_CONTIGUOUS
  static constexpr int owns_its_memory = 4;  ///< NPY_ARRAY_OWNDATA

  PyTypeObject* type_ = nullptr;
  pybind11::object dtype_;  ///< held: else another could take its address
  int flags_ = 0, ignored_flags_ = owns_its_memory;
  std::size_t free_axes_ = 0;  ///< whose extents may differ
  std::vector<Py_ssize_t> shape_, strides_;
};

}  // namespace multibuffer::python
