#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/device_array.hpp>

#include <optional>

namespace multibuffer {

/// An array on the host over a view with one level of pointers, whose own table serves as the
/// offset array: nothing is resolved, which pays where the array is read once. The view's memory,
/// and its table, must outlive every use. Nothing where the view is another, has no elements, or a
/// pointer of its table is NULL.
std::optional<DeviceArray> array_by_pointers(const ArrayView& view);

}  // namespace multibuffer
