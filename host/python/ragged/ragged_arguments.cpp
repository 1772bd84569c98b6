#include "host/python/ragged/ragged_arguments.hpp"

#include <multibuffer/error.hpp>
#include <multibuffer/gather.hpp>

#include "host/python/elements/dtype.hpp"
#include "host/python/elements/elements.hpp"
#include "host/python/inputs/source.hpp"
#include "host/python/support/instance.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/python/support/values.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <span>
#include <string>
#include <utility>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

/// The numbers of what is true in a mask of the rows.
IndexArray rows_in(const IndexArray& mask) {
  LargeVector<std::int64_t> rows;
  for (std::int64_t i = 0; i < mask.size(); ++i)
    if (mask[i] != 0) rows.push_back(i);
  const auto count = static_cast<std::int64_t>(rows.size());
  return {{count}, std::move(rows)};
}

std::string side_words(const char* name, py::handle given, const char* also) {
  return text(name, " ", repr_of(given), ": there are 'right' and 'left'", also);
}

}  // namespace

AskedRows::AskedRows(py::handle rows, std::int64_t count, IndexMode mode, OnDevice on_device)
    : rows_(count), mode_(mode) {
  if (rows.is_none()) return;
  index_ = index_array(rows, on_device);
  settle();
}

AskedRows::AskedRows(IndexArray index, std::int64_t count)
    : index_(std::move(index)), rows_(count) {
  settle();
}

void AskedRows::settle() {
  const auto& shape = index_->on_device ? index_->on_device->shape() : index_->shape;
  if (shape.size() != 1)
    throw py::index_error(text("rows are selected by an array of one axis, not of shape ",
                               tuple_text(shape), shape.empty() ? "; one row is array[i]" : ""));
  if (!index_->is_mask) return index_->settle(mode_, 0, rows_);
  if (shape[0] != rows_)
    throw py::index_error(
        text("boolean index did not match indexed array along axis 0; size of "
             "axis is ",
             rows_, " but size of boolean is ", shape[0]));
  index_ = rows_in(*index_);
}

void AskedRows::fetch() {
  if (are_on_device()) index_ = index_array(wrap(fetched(*index_->on_device)));
}

RowSelection AskedRows::selection() {
  if (!index_) return {};
  return {index_->indices(), mode_};
}

std::int64_t AskedRows::count() const {
  if (!index_) return rows_;
  return index_->on_device ? index_->on_device->shape()[0] : index_->size();
}

std::optional<std::vector<std::int64_t>> AskedRows::indices() const {
  if (!index_) return {};
  std::vector<std::int64_t> indices(static_cast<std::size_t>(index_->size()));
  for (std::size_t i = 0; i < indices.size(); ++i)
    indices[i] = (*index_)[static_cast<std::int64_t>(i)];
  return indices;
}

std::vector<std::int64_t> AskedRows::numbers() const {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(count()));
  for (std::int64_t i = 0; i < std::ssize(numbers); ++i) {
    std::int64_t row = index_ ? (*index_)[i] : i;
    if (mode_ == IndexMode::raise || rows_ == 0)
      check_index(row, 0, rows_, text(" at position (", i, ",)"));
    if (mode_ == IndexMode::clip)
      row = std::clamp<std::int64_t>(row, 0, rows_ - 1);
    else if (row < 0 || row >= rows_)
      row = (row % rows_ + rows_) % rows_;
    numbers[static_cast<std::size_t>(i)] = row;
  }
  return numbers;
}

int offset_bytes_of(py::handle dtype) {
  const Format format = format_of_dtype(dtype);
  if (same_meaning(format, native_format<std::int64_t>())) return 8;
  if (same_meaning(format, native_format<std::int32_t>())) return 4;
  throw py::value_error(
      text("offsets_dtype '", dtype_name(format), "': there are int64 and int32"));
}

// ---- Fill

namespace {

/// One element, as bytes.
struct Element {
  std::vector<std::byte> bytes;
  Format format;
};

template <class T>
Element element_of(T value, Format format) {
  Element element{std::vector<std::byte>(sizeof value), std::move(format)};
  std::memcpy(element.bytes.data(), &value, sizeof value);
  return element;
}

/// Python's number as an element; nothing for another object.
std::optional<Element> number_of(py::handle object) {
  PyObject* const it = object.ptr();
  if (PyBool_Check(it)) return element_of(it == Py_True, native_format<bool>());
  if (PyFloat_Check(it)) return element_of(PyFloat_AS_DOUBLE(it), native_format<double>());
  if (PyComplex_Check(it)) {
    const Py_complex value = PyComplex_AsCComplex(it);
    return element_of(std::complex<double>(value.real, value.imag), Format("Zd", 16));
  }
  if (!PyLong_Check(it)) return {};
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(it, &overflow);
  if (value == -1 && PyErr_Occurred()) throw py::error_already_set();
  if (overflow == 0) return element_of<std::int64_t>(value, native_format<std::int64_t>());
  const unsigned long long large = overflow > 0 ? PyLong_AsUnsignedLongLong(it) : 0;
  if (overflow < 0 || PyErr_Occurred()) {
    PyErr_Clear();
    throw py::value_error(text("fill ", repr_of(object), " does not fit in 64 bits"));
  }
  return element_of<std::uint64_t>(large, native_format<std::uint64_t>());
}

/// The element of an array without axes, a scalar of NumPy's for one.
Element element_in(py::handle object) {
  const Source source = source_of(object);
  if (source.view.ndim() != 0)
    throw py::value_error(
        text("fill is one element, not an array of shape ", tuple_text(source.view.shape())));
  const DeviceBuffer buffer = dense_copy(source);
  return {without_gil([&](const Watch&) { return buffer.to_host(); }), buffer.format()};
}

Element converted_element(const Element& element, const Format& format) {
  const std::vector<std::int64_t> no_axes;
  const DeviceArray one = in_place(source_of(
      DeviceBuffer::from_host(Device::host(), element.bytes.data(), no_axes, element.format)));
  GatherOptions options;
  options.format = format;
  return {copy(one, options).to_host(), format};
}

/// Tells whether a number is neither infinite nor none.
bool is_finite(py::handle number) {
  const Py_complex value = PyComplex_AsCComplex(number.ptr());
  if (PyErr_Occurred()) throw py::error_already_set();
  return std::isfinite(value.real) && std::isfinite(value.imag);
}

/// Reals and complex numbers are rounded, as any that become such elements; the others are what was
/// said, or nothing.
bool is_rounded(const Format& format) {
  return !format.opaque() && !format.type().is_struct &&
         (format.type().kind == ScalarKind::real || format.type().kind == ScalarKind::complex);
}

}  // namespace

std::vector<std::byte> fill_argument(py::handle fill, const Format& format) {
  if (PyLong_CheckExact(fill.ptr()) && PyObject_IsTrue(fill.ptr()) == 0) return {};
  if (PyBytes_Check(fill.ptr())) {
    const auto bytes = std::as_bytes(
        std::span(PyBytes_AS_STRING(fill.ptr()), static_cast<std::size_t>(Py_SIZE(fill.ptr()))));
    if (std::ssize(bytes) != format.itemsize())
      throw py::value_error(text("fill has ", bytes.size(), " bytes, and an element of '",
                                 format.text(), "' has ", format.itemsize()));
    return {bytes.begin(), bytes.end()};
  }
  std::optional<Element> element = number_of(fill);
  if (!element && !is_array(fill))
    throw py::type_error(
        text("fill is a number, the bytes of an element, or an array without axes, "
             "not ",
             Py_TYPE(fill.ptr())->tp_name));
  if (!element) element = element_in(fill);
  if (same_meaning(element->format, format)) return element->bytes;
  const Element result = converted_element(*element, format);
  const std::vector<std::int64_t> no_axes;
  if (is_rounded(format)) {
    if (is_finite(to_list(element->format, no_axes, element->bytes.data())) &&
        !is_finite(to_list(format, no_axes, result.bytes.data())))
      throw py::value_error(
          text("fill ", repr_of(fill), " is beyond the numbers of '", dtype_name(format), "'"));
    return result.bytes;
  }
  if (!to_list(format, no_axes, result.bytes.data())
           .equal(to_list(element->format, no_axes, element->bytes.data())))
    throw py::value_error(
        text("fill ", repr_of(fill), " is no element of '", dtype_name(format), "'"));
  return result.bytes;
}

PadSide side_argument(py::handle side) {
  const std::string word = text_argument(side, "side");
  if (word == "right") return PadSide::after;
  if (word == "left") return PadSide::before;
  throw py::value_error(side_words("side", side, ""));
}

Truncation truncation_argument(py::handle truncate) {
  if (truncate.is(py::bool_(false))) return Truncation::refuse;
  if (truncate.is(py::bool_(true))) return Truncation::drop_end;
  if (PyUnicode_Check(truncate.ptr())) {
    const std::string word = text_argument(truncate, "truncate");
    if (word == "right") return Truncation::drop_end;
    if (word == "left") return Truncation::drop_begin;
    throw py::value_error(side_words("truncate", truncate, ", False and True"));
  }
  throw py::type_error(
      text("truncate is a bool, 'right' or 'left', not ", Py_TYPE(truncate.ptr())->tp_name));
}

bool has_several_entries(py::handle key) {
  if (!PyTuple_Check(key.ptr())) return false;
  Py_ssize_t entries = 0;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(key.ptr()); ++i)
    entries += PyTuple_GET_ITEM(key.ptr(), i) != Py_Ellipsis ? 1 : 0;
  return entries > 1;
}

std::optional<std::int64_t> count_argument(py::handle object, const char* name) {
  if (object.is_none()) return {};
  const std::int64_t count = long_argument(object, name);
  if (count < 0) throw py::value_error(text(name, " is ", count, ", and cannot be negative"));
  return count;
}

}  // namespace multibuffer::python
