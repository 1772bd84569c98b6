#include <multibuffer/error.hpp>

#include "host/text.hpp"
#include "indexing.hpp"
#include "interrupt.hpp"
#include "source.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

constexpr bool native_little = std::endian::native == std::endian::little;

[[noreturn]] void refuse_elements(const Format& format) {
  throw py::index_error(
      text("arrays used as indices must be of integer or boolean type, not '", format.text(), "'"));
}

const Type& index_type(const Format& format) {
  if (format.opaque() || format.type().is_struct) refuse_elements(format);
  const Type& type = format.type();
  if (type.kind != ScalarKind::signed_integer && type.kind != ScalarKind::unsigned_integer &&
      type.kind != ScalarKind::boolean)
    refuse_elements(format);
  return type;
}

template <class Number>
void widen(const std::byte* bytes, bool swap, std::vector<std::int64_t>& values) {
  for (std::int64_t& value : values) {
    std::array<std::byte, sizeof(Number)> copy;
    std::copy_n(bytes, copy.size(), copy.begin());
    if (swap) std::ranges::reverse(copy);
    Number number;
    std::memcpy(&number, copy.data(), sizeof number);
    if constexpr (std::is_same_v<Number, std::uint64_t>) {
      // No axis is that long, so that what is reported as the nearest number is out of range, too.
      constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
      value = static_cast<std::int64_t>(std::min(number, most));
    } else {
      value = std::int64_t{number};
    }
    bytes += sizeof(Number);
  }
}

void read_values(const Type& type, const std::byte* bytes, std::vector<std::int64_t>& values) {
  const bool swap = type.size > 1 && type.little_endian != native_little;
  if (type.kind == ScalarKind::boolean) {
    for (std::int64_t& value : values) value = *bytes++ != std::byte{0};
    return;
  }
  const bool is_signed = type.kind == ScalarKind::signed_integer;
  switch (type.size) {
    case 1:
      return is_signed ? widen<std::int8_t>(bytes, swap, values)
                       : widen<std::uint8_t>(bytes, swap, values);
    case 2:
      return is_signed ? widen<std::int16_t>(bytes, swap, values)
                       : widen<std::uint16_t>(bytes, swap, values);
    case 4:
      return is_signed ? widen<std::int32_t>(bytes, swap, values)
                       : widen<std::uint32_t>(bytes, swap, values);
    default:
      return is_signed ? widen<std::int64_t>(bytes, swap, values)
                       : widen<std::uint64_t>(bytes, swap, values);
  }
}

IndexArray from_array(py::handle object) {
  const Source source = source_of(object);
  const Type& type = index_type(source.view.format());
  IndexArray result;
  result.shape = source.view.shape();
  result.is_mask = type.kind == ScalarKind::boolean;
  const DeviceBuffer dense = dense_copy(source);
  const bool usable_there = type.kind == ScalarKind::signed_integer &&
                            type.little_endian == native_little && type.size >= 4;
  if (source.device != "host" && usable_there) {
    result.on_device = dense;
    return result;
  }
  without_gil([&](const Watch&) {
    result.values.resize(static_cast<std::size_t>(dense.size()));
    if (source.device == "host")
      read_values(type, dense.data(), result.values);
    else
      read_values(type, dense.to_host().data(), result.values);
    return true;
  });
  return result;
}

std::int64_t integer(py::handle object) {
  const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(object.ptr()));
  if (!number) throw py::error_already_set();
  // Too large for any axis: the error is that of an index out of range.
  const Py_ssize_t value = PyNumber_AsSsize_t(number.ptr(), PyExc_IndexError);
  if (value == -1 && PyErr_Occurred()) throw py::error_already_set();
  return value;
}

IndexArray from_list(py::handle list) {
  const NestedList guard;
  const auto items = py::reinterpret_steal<py::object>(PySequence_Fast(list.ptr(), "a list"));
  if (!items) throw py::error_already_set();
  IndexArray result;
  std::vector<std::int64_t> inner;
  std::int64_t count = 0;
  result.is_mask = true;
  for (; count < PySequence_Fast_GET_SIZE(items.ptr()); ++count) {
    const auto item =
        py::reinterpret_borrow<py::object>(PySequence_Fast_GET_ITEM(items.ptr(), count));
    if (PyLong_CheckExact(item.ptr()) && inner.empty()) {  // most are lists of these
      result.is_mask = false;
      result.values.push_back(integer(item));
      continue;
    }
    IndexArray part = index_array(item);
    if (part.on_device) throw py::index_error("a list of index arrays on a device");
    if (count == 0) inner = part.shape;
    if (part.shape != inner)
      throw py::index_error(text("a nested list of indices is not rectangular: part ", count,
                                 " has shape ", tuple_text(part.shape), ", part 0 ",
                                 tuple_text(inner)));
    result.is_mask = result.is_mask && part.is_mask;
    result.values.insert(result.values.end(), part.values.begin(), part.values.end());
  }
  // An empty list is one of integers, as in NumPy's indexing.
  result.is_mask = result.is_mask && count > 0;
  result.shape = std::move(inner);
  result.shape.insert(result.shape.begin(), count);
  return result;
}

}  // namespace

IndexArray index_array(py::handle object) {
  if (PyBool_Check(object.ptr())) return {{}, {object.is(py::bool_(true))}, true, {}};
  if (PyLong_Check(object.ptr())) return {{}, {integer(object)}, false, {}};
  if (PyList_Check(object.ptr()) || PyTuple_Check(object.ptr())) return from_list(object);
  if (is_array(object)) return from_array(object);
  if (PyIndex_Check(object.ptr())) return {{}, {integer(object)}, false, {}};
  throw py::index_error(text("indices are integers or booleans, or arrays or lists of them, not ",
                             Py_TYPE(object.ptr())->tp_name));
}

std::vector<std::int64_t> broadcast_shape(std::span<const IndexArray> indices) {
  std::vector<std::int64_t> common;
  for (const IndexArray& index : indices) {
    if (index.shape.size() > common.size())
      common.insert(common.begin(), index.shape.size() - common.size(), 1);
    for (std::size_t back = 1; back <= index.shape.size(); ++back) {
      std::int64_t& extent = common[common.size() - back];
      const std::int64_t own = index.shape[index.shape.size() - back];
      if (extent == 1) extent = own;
      if (own != 1 && own != extent) {
        std::string shapes;
        for (const IndexArray& each : indices)
          shapes += (shapes.empty() ? "" : " ") + tuple_text(each.shape);
        throw py::index_error("the index arrays do not broadcast together: shapes " + shapes);
      }
    }
  }
  return common;
}

}  // namespace multibuffer::python
