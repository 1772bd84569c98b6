#pragma once

#include <multibuffer/device_array.hpp>

#include "host/python/verbs.hpp"

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace multibuffer::python {

template <>
struct Verbs<DeviceArray> {
  static std::vector<std::int64_t> shape(const DeviceArray& array) { return array.shape(); }
  static const Format& format(const DeviceArray& array) { return array.format(); }
  static DeviceArray field(const DeviceArray& array, const std::string& name) {
    return array.field(name);
  }
  static DeviceArray fields(const DeviceArray& array, const std::vector<std::string>& names) {
    return array.fields(names);
  }
  static DeviceArray after(const DeviceArray& array, const ViewOperation& operation) {
    return array.apply(operation);
  }
  static DeviceArray reshape(const DeviceArray& array, const std::vector<std::int64_t>& shape,
                             std::optional<bool> copy);
  static pybind11::object run(const DeviceArray& array, Asked& asked, pybind11::handle out,
                              pybind11::handle stream, const Progress& progress);
  static void read(const DeviceArray& array, std::byte* to);
  /// take() of a few bytes on the host by an array of NumPy's with an axis, which most calls are.
  /// Returns null where it is no such call, or something is wrong with it.
  static pybind11::object quick_take(const DeviceArray& array, pybind11::handle indices,
                                     IndexMode mode, pybind11::handle out, pybind11::handle dtype,
                                     bool saturate);
  /// copy() of a few bytes on the host, in C order; null as above.
  static pybind11::object quick_copy(const DeviceArray& array, pybind11::handle out,
                                     pybind11::handle dtype, bool saturate);
};

/// Reads the argument `placement`. Throws ValueError, with the words there are, for another one.
PlacementKind placement_of(std::string_view name);

/// Adds plan_copy, plan_take and plan_gather.
void bind_plans(Class<DeviceArray>& cls);
/// Adds through, and what kernels of others need: element_view, tables, address, unit.
void bind_element_access(Class<DeviceArray>& cls);
/// Adds update and update_pointers.
void bind_update(Class<DeviceArray>& cls);

}  // namespace multibuffer::python
