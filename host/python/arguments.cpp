#include "arguments.hpp"

#include <multibuffer/layout.hpp>

#include "host/text.hpp"
#include "source.hpp"

#include <algorithm>
#include <numeric>

namespace py = pybind11;

namespace multibuffer::python {

IndexMode mode_of(std::string_view name) {
  if (name == "raise") return IndexMode::raise;
  if (name == "clip") return IndexMode::clip;
  if (name == "wrap") return IndexMode::wrap;
  throw py::value_error(text("mode '", name, "': there are raise, clip and wrap"));
}

Order order_of(std::string_view name) {
  if (name == "C") return Order::C;
  if (name == "F") return Order::F;
  throw py::value_error(text("order '", name, "': there are C and F"));
}

namespace {

/// The wanted shape with -1 worked out.
std::vector<std::int64_t> complete(std::vector<std::int64_t> shape, std::int64_t size) {
  const auto unknown = std::ranges::find(shape, -1);
  if (unknown == shape.end()) return shape;
  std::int64_t known = 1;
  for (auto it = shape.begin(); it != shape.end(); ++it) {
    if (it == unknown) continue;
    if (*it == -1) throw py::value_error("only one extent of a shape can be -1");
    if (__builtin_mul_overflow(known, *it, &known)) known = 0;
  }
  if (known <= 0 || size % known != 0)
    throw py::value_error(text("an array of ", size, " elements has no shape ", tuple_text(shape)));
  *unknown = size / known;
  return shape;
}

}  // namespace

std::vector<std::int64_t> shape_argument(const py::object& wanted, std::int64_t size) {
  std::vector<std::int64_t> shape;
  if (PyIndex_Check(wanted.ptr()) && !PySequence_Check(wanted.ptr()))
    shape = {wanted.cast<std::int64_t>()};
  else
    shape = wanted.cast<std::vector<std::int64_t>>();
  shape = complete(std::move(shape), size);
  for (const std::int64_t extent : shape)
    if (extent < 0) throw py::value_error(text("a shape with the extent ", extent));
  return shape;
}

std::vector<int> axes_argument(const py::args& axes, int ndim) {
  std::vector<int> result;
  if (axes.empty() || (axes.size() == 1 && axes[0].is_none())) {
    result.resize(static_cast<std::size_t>(ndim));
    std::iota(result.rbegin(), result.rend(), 0);
    return result;
  }
  const bool is_one_sequence = axes.size() == 1 && PySequence_Check(axes[0].ptr());
  result = is_one_sequence ? axes[0].cast<std::vector<int>>()
                           : py::object(axes).cast<std::vector<int>>();
  for (int& axis : result) axis = normalize_axis(axis, ndim);
  return result;
}

bool is_list_of_names(py::handle key) {
  if (!PyList_Check(key.ptr()) || PyList_GET_SIZE(key.ptr()) == 0) return false;
  const auto list = py::reinterpret_borrow<py::list>(key);
  return std::all_of(list.begin(), list.end(),
                     [](py::handle item) { return PyUnicode_Check(item.ptr()); });
}

}  // namespace multibuffer::python
