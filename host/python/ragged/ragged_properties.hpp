#pragma once

#include <multibuffer/device_buffer.hpp>
#include <multibuffer/format.hpp>

#include "host/python/elements/dtype.hpp"
#include "host/python/properties.hpp"
#include "host/python/support/class.hpp"
#include "host/python/support/values.hpp"

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace multibuffer::python {

/// (rows, None, ...): what is None differs from row to row.
inline pybind11::tuple ragged_shape(std::int64_t rows, std::span<const std::int64_t> item_shape) {
  pybind11::tuple shape(item_shape.size() + 2);
  shape[0] = rows;
  shape[1] = pybind11::none();
  for (std::size_t i = 0; i < item_shape.size(); ++i) shape[i + 2] = item_shape[i];
  return shape;
}

/// Dense rows, one after the other, as a list of what `to_list` makes of each.
pybind11::object lists_of_rows(const Format& format, std::span<const std::int64_t> lengths,
                               std::vector<std::int64_t> item_shape, const std::byte* elements);

/// The properties that a ragged array has by a `RaggedArray` or a `RaggedView` of it, which
/// `rows_of` returns.
template <class Self, auto rows_of>
struct RaggedProperties {
  static pybind11::tuple shape(const Self& self) {
    return ragged_shape(rows_of(self).rows(), rows_of(self).item_shape());
  }
  static std::int64_t ndim(const Self& self) {
    return 2 + static_cast<std::int64_t>(rows_of(self).item_shape().size());
  }
  static std::int64_t items(const Self& self) { return rows_of(self).items(); }
  static std::int64_t longest(const Self& self) { return rows_of(self).longest(); }
  /// By Python's integers: rows that are there several times, or items without elements, can make
  /// more than 64 bits hold.
  static pybind11::int_ size(const Self& self) {
    pybind11::object size = pybind11::int_(rows_of(self).items());
    for (const std::int64_t extent : rows_of(self).item_shape()) size *= pybind11::int_(extent);
    return pybind11::int_(size);
  }
  static std::int64_t itemsize(const Self& self) { return rows_of(self).format().itemsize(); }
  static pybind11::int_ nbytes(const Self& self) {
    return pybind11::int_(size(self) * pybind11::int_(itemsize(self)));
  }
  static std::string format(const Self& self) { return rows_of(self).format().text(); }
  static std::string dtype(const Self& self) { return dtype_name(rows_of(self).format()); }
  static std::int64_t length(const Self& self) { return rows_of(self).rows(); }
  static DeviceBuffer lengths(const Self& self) {
    const auto numbers = rows_of(self).lengths();
    const std::vector<std::int64_t> shape{rows_of(self).rows()};
    return DeviceBuffer::from_host(Device::host(), numbers.data(), shape,
                                   native_format<std::int64_t>());
  }
};

template <auto rows_of, class Self>
void bind_ragged_properties(Class<Self>& cls) {
  using All = RaggedProperties<Self, rows_of>;
  cls.template property<&All::shape>(
         "shape", "(rows, None, ...): the extents of the axes, None for that of the rows' own.")
      .template property<&All::lengths>(
          "lengths", "The items of every row: a DeviceBuffer of int64 in host memory, a copy.")
      .template property<&All::items>("items", "The items of all rows together.")
      .template property<&All::longest>("longest", "The most items of a row; 0 without rows.");
  bind_common_properties<All>(cls);
}

}  // namespace multibuffer::python
