#pragma once

#include <multibuffer/device_buffer.hpp>
#include <multibuffer/gather.hpp>

#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// What the methods of several classes take alike.
namespace multibuffer::python {

/// Throw ValueError, with the words there are, for another one.
IndexMode mode_of(std::string_view name);
Order order_of(std::string_view name);

/// An extent or a sequence of them, one of which may be -1, for `size` elements.
std::vector<std::int64_t> shape_argument(const pybind11::object& wanted, std::int64_t size);

/// transpose(), transpose(None), transpose(1, 0) and transpose((1, 0)): axes counted from the
/// front. That they are a permutation is for the caller to check.
std::vector<int> axes_argument(const pybind11::args& axes, int ndim);

/// Whether a key is a list of names, and of nothing else.
bool is_list_of_names(pybind11::handle key);

}  // namespace multibuffer::python
