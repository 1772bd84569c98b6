#pragma once

#include <multibuffer/device_buffer.hpp>
#include <multibuffer/layout.hpp>

#include <pybind11/pybind11.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace multibuffer::python {

/// An index array: integers, or a mask. Always a private copy: the caller's memory may change while
/// the GIL is released, after the values have been checked.
struct IndexArray {
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> values;  ///< in C order; 0 or 1 in a mask
  bool is_mask = false;
  std::optional<DeviceBuffer> on_device;  ///< instead of `values`: dense 32- or 64-bit integers
};

/// From numbers, bools, nested lists, and every array that can be an input. Throws IndexError for
/// elements that are neither integers nor bools.
IndexArray index_array(pybind11::handle object);

/// What a key, NumPy's `a[key]`, asks of an array: view operations and, if it is advanced, index
/// arrays for axes of the view that they leave.
struct Selection {
  std::vector<ViewOperation> operations;
  std::vector<int> axes;
  std::vector<IndexArray> indices;
  int position = 0;  ///< where the index arrays' axes go, as in `IndexGroup`
  bool advanced() const { return !axes.empty(); }
};

/// Every kind of key that NumPy knows but field names. Throws IndexError as NumPy does, naming axis
/// and index.
Selection select(pybind11::handle key, std::span<const std::int64_t> shape);

/// The shape that index arrays have together. Throws IndexError if they do not broadcast.
std::vector<std::int64_t> broadcast_shape(std::span<const IndexArray> indices);

}  // namespace multibuffer::python
