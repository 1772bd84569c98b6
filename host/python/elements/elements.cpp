#include "host/python/elements/elements.hpp"

#include "host/format/read_scalar.hpp"
#include "host/interop/numpy_type.hpp"
#include "host/python/elements/numpy_array.hpp"
#include "host/python/support/attributes.hpp"
#include "host/python/support/nested_list.hpp"
#include "host/python/support/values.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

double read_real(const Type& type, const std::byte* bytes, std::int64_t size) {
  return visit_real(type.encoding, bytes, size, type.little_endian,
                    [](auto value) { return static_cast<double>(value); });
}

py::object raw_bytes(const std::byte* bytes, std::int64_t size) {
  return py::bytes(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

/// A code unit that is no character: no str holds it.
struct BadCodeUnit {
  const std::byte* at;
  std::uint32_t value;
};

/// Text of fixed length: NULs at its end fill it up, but a single character is what it is.
py::object decode(const Type& type, const std::byte* bytes, std::int64_t unit) {
  std::u32string codes;
  for (std::int64_t at = 0; at < type.size; at += unit)
    codes += unit == 2 ? char32_t{read<char16_t>(bytes + at, type.little_endian)}
                       : read<char32_t>(bytes + at, type.little_endian);
  if (unit == 4)
    for (std::size_t i = 0; i < codes.size(); ++i)
      if (codes[i] > 0x10ffff) throw BadCodeUnit{bytes + i * 4, codes[i]};
  if (codes.size() > 1) codes.erase(codes.find_last_not_of(U'\0') + 1);
  return py::reinterpret_steal<py::object>([&] {
    PyObject* text = PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, codes.data(),
                                               static_cast<Py_ssize_t>(codes.size()));
    if (!text) throw py::error_already_set();
    return text;
  }());
}

/// Dates as NumPy's tolist() gives them: objects of the module datetime where these hold the unit,
/// else integers, and None for what is not a time. There is at least one.
py::object dates(const Type& type, std::span<const std::int64_t> shape, const std::byte* bytes) {
  std::int64_t size = type.size;
  for (const std::int64_t extent : shape) size *= extent;
  const py::object array = py::module_::import("numpy").attr("frombuffer")(
      raw_bytes(bytes, size), py::str(type_string(type)));
  return array.attr("reshape")(to_tuple(shape)).attr("tolist")();
}

py::object scalar(const Type& type, const std::byte* bytes) {
  switch (type.kind) {
    case ScalarKind::boolean:
      return py::bool_(*bytes != std::byte{0});
    case ScalarKind::signed_integer:
      return py::int_(read_signed(bytes, type.size, type.little_endian));
    case ScalarKind::unsigned_integer:
    case ScalarKind::pointer:
    case ScalarKind::object:
      return py::int_(read_unsigned(bytes, type.size, type.little_endian));
    case ScalarKind::real:
      return py::float_(read_real(type, bytes, type.size));
    case ScalarKind::complex: {
      const std::int64_t half = type.size / 2;
      return py::reinterpret_steal<py::object>(
          PyComplex_FromDoubles(read_real(type, bytes, half), read_real(type, bytes + half, half)));
    }
    case ScalarKind::pascal: {
      const auto room = std::max<std::int64_t>(type.size - 1, 0);
      const std::int64_t length = type.size == 0 ? 0 : std::to_integer<std::int64_t>(*bytes);
      return raw_bytes(bytes + (type.size == 0 ? 0 : 1), std::min(length, room));
    }
    case ScalarKind::ucs2:
      return decode(type, bytes, 2);
    case ScalarKind::ucs4:
      return decode(type, bytes, 4);
    case ScalarKind::padding:
    case ScalarKind::character:
    case ScalarKind::bytes:
      return raw_bytes(bytes, type.size);
    case ScalarKind::datetime:
    case ScalarKind::timedelta:
      return dates(type, {}, bytes);
  }
  return py::none();
}

py::object element(const Type& type, const std::byte* bytes);

/// The elements along the axes from `axis` on; `next` is the first of them in memory.
py::object nested(const Type& type, std::span<const std::int64_t> shape, const std::byte*& next) {
  if (shape.empty()) {
    py::object result = element(type, next);
    next += type.size;
    return result;
  }
  py::list list(static_cast<std::size_t>(shape[0]));
  for (std::int64_t i = 0; i < shape[0]; ++i)
    PyList_SET_ITEM(list.ptr(), i, nested(type, shape.subspan(1), next).release().ptr());
  return list;
}

py::object element(const Type& type, const std::byte* bytes) {
  if (!type.is_struct) return scalar(type, bytes);
  const auto member = [bytes](const Field& field) {
    const std::byte* next = bytes + field.offset;
    return nested(field.type, field.shape, next);
  };
  // A sub-array without a struct around it, "(2,3)f", is a list, not a tuple of one.
  if (type.fields.size() == 1 && type.fields[0].name.empty() && !type.fields[0].shape.empty())
    return member(type.fields[0]);
  py::tuple tuple(type.fields.size());
  for (std::size_t i = 0; i < type.fields.size(); ++i) tuple[i] = member(type.fields[i]);
  return tuple;
}

}  // namespace

namespace {

/// Runs `read`, which reads elements from `elements` on, and names the element that it cannot read.
template <class Read>
auto with_position(const Format& format, std::span<const std::int64_t> shape,
                   const std::byte* elements, const Read& read) {
  try {
    return read();
  } catch (const BadCodeUnit& bad) {
    std::vector<std::int64_t> index(shape.size());
    std::int64_t rest = (bad.at - elements) / format.itemsize();
    for (std::size_t i = shape.size(); i-- > 0; rest /= shape[i]) index[i] = rest % shape[i];
    std::array<char, 16> value;
    const auto end = std::to_chars(value.data(), value.data() + value.size(), bad.value, 16).ptr;
    throw py::value_error(text("element ", tuple_text(index), " has the code unit 0x",
                               std::string(value.data(), end),
                               ", which is no character: the last is U+10FFFF"));
  }
}

}  // namespace

py::object to_list(const Format& format, std::span<const std::int64_t> shape,
                   const std::byte* elements) {
  const std::byte* next = elements;
  const bool is_empty = std::ranges::find(shape, 0) != shape.end();
  if (is_date(format.type()) && !is_empty) return dates(format.type(), shape, elements);
  return with_position(format, shape, elements, [&] { return nested(format.type(), shape, next); });
}

bool is_compared_by_numpy(const Format& format, py::handle item) {
  PyObject* const it = item.ptr();
  if (PyList_Check(it) || (!format.opaque() && is_date(format.type()))) return true;
  if (PyTuple_Check(it)) return !format.type().is_struct;
  return NumpyArray::of(item).has_value();
}

namespace {

/// Lists, at any nesting, that nobody else has: NumPy reads one while it runs code of the objects
/// in it, and does not look whether that has changed the list.
py::object own_lists(py::handle item) {
  if (!PyList_Check(item.ptr()) && !PyTuple_Check(item.ptr()))
    return py::reinterpret_borrow<py::object>(item);
  const NestedList guard;
  const auto parts = py::reinterpret_steal<py::tuple>(PySequence_Tuple(item.ptr()));
  if (!parts) throw py::error_already_set();
  py::list own;
  for (const py::handle part : parts) own.append(own_lists(part));
  return own;
}

}  // namespace

bool numpy_has(const py::object& buffer, py::handle item) {
  const py::object array = py::module_::import("numpy").attr("asarray")(buffer);
  return py::bool_(array.attr("__contains__")(own_lists(item)));
}

bool any_equal(const Format& format, std::span<const std::int64_t> shape, const std::byte* elements,
               py::handle item) {
  const Type& type = format.type();
  // A scalar of NumPy's compares with its own kind alone; its item() is what elements become.
  py::object plain;
  if (std::strncmp(Py_TYPE(item.ptr())->tp_name, "numpy.", 6) == 0 && has_attribute(item, "item"))
    item = plain = item.attr("item")();
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  constexpr std::int64_t between_signals = 1 << 14;
  return with_position(format, shape, elements, [&] {
    for (std::int64_t i = 0; i < count; ++i) {
      if (i % between_signals == 0 && PyErr_CheckSignals() != 0) throw py::error_already_set();
      const py::object own = element(type, elements + i * format.itemsize());
      const int equal = PyObject_RichCompareBool(own.ptr(), item.ptr(), Py_EQ);
      if (equal < 0) throw py::error_already_set();
      if (equal > 0) return true;
    }
    return false;
  });
}

}  // namespace multibuffer::python
