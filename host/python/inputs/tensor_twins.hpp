#pragma once

#include <multibuffer/dlpack.hpp>

#include "host/python/inputs/numpy_twins.hpp"
#include "host/support/prefetch.hpp"

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

namespace multibuffer::python {

/// Where the element of index 0 is.
inline const std::byte* data_of(const dlpack::Tensor& tensor) {
  const auto* const data = static_cast<const std::byte*>(tensor.data);
  return data ? data + tensor.byte_offset : nullptr;
}

/// Tensors that lie as one of them does, told by what the exchange table of their type lends. A
/// managed tensor is made and let go, which costs more than to read the rest of it; a lent one is
/// filled in where it is asked for. Its memory is the object's: whoever uses it holds the object,
/// and whoever takes the memory away from an object that is in use, as torch's `resize_` does,
/// takes it from a managed tensor, too.
class TensorTwins {
 public:
  /// Without a model nothing is its twin.
  TensorTwins() = default;
  /// Takes twins of `model`, whose managed tensor said this; takes none if the type lends none, or
  /// lends another than that.
  TensorTwins(const dlpack::ExchangeTable& table, pybind11::handle model,
              const dlpack::Tensor& said, Alike alike = Alike::equal);

  /// A twin's start, and the extent of its first axis (1 without axes).
  struct Found {
    const std::byte* start;
    std::int64_t length;
  };
  /// Finds `object`, which is of the model's type, if it is the model's twin.
  std::optional<Found> find(PyObject* object) const;

  /// Asks for the memory that `find` is likely to read, in two steps: the object, and what the
  /// first words of it point to. What they are is not known; a prefetch of anything is harmless.
  void prefetch_object(PyObject* object) const {
    if (borrow_) prefetch_to_first_cache(object);
  }
  void prefetch_inner(PyObject* object) const {
    if (!borrow_ || Py_TYPE(object)->tp_basicsize < words_bytes) return;
    std::uintptr_t words[words_bytes / sizeof(std::uintptr_t)];
    std::memcpy(words, object, sizeof words);
    for (const std::uintptr_t inner : {words[2], words[3]})
      for (std::uintptr_t line = 0; line < 3 * line_bytes; line += line_bytes)
        prefetch_to_first_cache(reinterpret_cast<const void*>(inner + line));
  }

 private:
  static constexpr Py_ssize_t words_bytes = 4 * sizeof(std::uintptr_t);
  static constexpr std::uintptr_t line_bytes = 64;

  int (*borrow_)(void* object, dlpack::Tensor* out) = nullptr;
  dlpack::Device device_{};
  dlpack::DataType dtype_{};
  std::vector<std::int64_t> shape_, strides_;
  bool has_strides_ = false;
  std::ptrdiff_t free_axes_ = 0;  ///< whose extents may differ
};

}  // namespace multibuffer::python
