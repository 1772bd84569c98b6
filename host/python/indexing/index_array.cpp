#include <multibuffer/error.hpp>

#include "host/python/elements/numpy_array.hpp"
#include "host/python/indexing/indexing.hpp"
#include "host/python/inputs/advice.hpp"
#include "host/python/inputs/source.hpp"
#include "host/python/support/attributes.hpp"
#include "host/python/support/instance.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/python/support/nested_list.hpp"
#include "host/support/parallel.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <type_traits>
#include <utility>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

[[noreturn]] void refuse_elements(const Format& format) {
  throw py::index_error(
      text("arrays used as indices must be of integer or boolean type, not '", format.text(), "'"));
}

bool is_index_type(const Type& type) {
  return type.kind == ScalarKind::signed_integer || type.kind == ScalarKind::unsigned_integer ||
         type.kind == ScalarKind::boolean;
}

/// Tells whether gathers read such indices as they are.
bool gathers_read(const Type& type) {
  return type.kind == ScalarKind::signed_integer && type.size >= 4 && is_native(type);
}

const Type& index_type(const Format& format) {
  if (format.opaque() || format.type().is_struct || !is_index_type(format.type()))
    refuse_elements(format);
  return format.type();
}

/// Numbers in memory, as who has them says they lie.
struct Numbers {
  const std::byte* start;
  std::span<const std::int64_t> shape;
  std::span<const std::int64_t> strides;
  const Type& type;

  bool is_native() const { return multibuffer::is_native(type); }
  bool is_mask() const { return type.kind == ScalarKind::boolean; }
  /// Tells whether a gather, or a walk over a mask, can read them where they are.
  bool are_readable() const {
    if (!is_mask() && !gathers_read(type)) return false;
    std::int64_t stride = type.size;
    for (std::size_t i = shape.size(); i-- > 0; stride *= shape[i]) {
      if (shape[i] == 0) return true;
      if (shape[i] != 1 && strides[i] != stride) return false;
    }
    return reinterpret_cast<std::uintptr_t>(start) % static_cast<std::uintptr_t>(type.size) == 0;
  }
};

constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();

/// `count` numbers that lie `stride` bytes apart.
using WidenLine = void (*)(const std::byte* from, std::int64_t stride, std::int64_t count,
                           std::int64_t* to);
template <class Number, bool Swapped>
void widen_line(const std::byte* from, std::int64_t stride, std::int64_t count, std::int64_t* to) {
  for (std::int64_t i = 0; i < count; ++i, from += stride) {
    std::array<std::byte, sizeof(Number)> bytes;
    std::copy_n(from, bytes.size(), bytes.begin());
    if constexpr (Swapped) std::ranges::reverse(bytes);
    const auto number = std::bit_cast<Number>(bytes);
    if constexpr (std::is_same_v<Number, std::uint64_t>)
      to[i] = static_cast<std::int64_t>(number);  // see `set_beyond_apart`
    else
      to[i] = std::int64_t{number};
  }
}

/// Bools are 0 and 1, whatever byte stands for true.
void widen_bools(const std::byte* from, std::int64_t stride, std::int64_t count, std::int64_t* to) {
  for (std::int64_t i = 0; i < count; ++i, from += stride) to[i] = *from == std::byte{0} ? 0 : 1;
}

template <class Signed, class Unsigned>
WidenLine widen_of_size(bool is_signed, bool swapped) {
  if (is_signed) return swapped ? widen_line<Signed, true> : widen_line<Signed, false>;
  return swapped ? widen_line<Unsigned, true> : widen_line<Unsigned, false>;
}

WidenLine widen_of(const Numbers& numbers) {
  if (numbers.is_mask()) return widen_bools;
  const bool is_signed = numbers.type.kind == ScalarKind::signed_integer;
  const bool swapped = !numbers.is_native();
  switch (numbers.type.size) {
    case 1:
      return widen_of_size<std::int8_t, std::uint8_t>(is_signed, swapped);
    case 2:
      return widen_of_size<std::int16_t, std::uint16_t>(is_signed, swapped);
    case 4:
      return widen_of_size<std::int32_t, std::uint32_t>(is_signed, swapped);
    default:
      return widen_of_size<std::int64_t, std::uint64_t>(is_signed, swapped);
  }
}

/// The numbers [begin, end), counted in C order, to `to` on: line by line of the last axis.
void widen_range(const Numbers& numbers, WidenLine widen, std::int64_t begin, std::int64_t end,
                 std::int64_t* to) {
  std::vector<std::int64_t> index(numbers.shape.size());
  const std::byte* from = numbers.start;
  for (std::int64_t axis = std::ssize(index), rest = begin; axis-- > 0;) {
    const auto i = static_cast<std::size_t>(axis);
    index[i] = rest % numbers.shape[i];
    rest /= numbers.shape[i];
    from += index[i] * numbers.strides[i];
  }
  const std::size_t last = index.size() - 1;
  while (begin < end) {
    const std::int64_t count = std::min(end - begin, numbers.shape[last] - index[last]);
    widen(from, numbers.strides[last], count, to);
    begin += count;
    to += count;
    index[last] += count;
    from += count * numbers.strides[last];
    for (std::size_t i = last; i > 0 && index[i] == numbers.shape[i]; --i) {
      from += numbers.strides[i - 1] - index[i] * numbers.strides[i];
      index[i] = 0;
      ++index[i - 1];
    }
  }
}

LargeVector<std::int64_t> widened(const Numbers& numbers) {
  std::int64_t count = 1;
  for (const std::int64_t extent : numbers.shape) count *= extent;
  LargeVector<std::int64_t> values(static_cast<std::size_t>(count));
  if (count == 0) return values;
  const WidenLine widen = widen_of(numbers);
  if (numbers.shape.empty()) {
    widen(numbers.start, 0, 1, values.data());
    return values;
  }
  constexpr std::int64_t bytes_each = sizeof(std::int64_t);
  without_gil_for(count * bytes_each, [&](const Watch& watch) {
    parallel_for(
        count, bytes_each, watch,
        [&](std::int64_t begin, std::int64_t end) {
          widen_range(numbers, widen, begin, end, values.data() + begin);
        },
        "reading indices");
    return true;
  });
  return values;
}

IndexArray from_numbers(const Numbers& numbers, IndexArray::Holder holder) {
  std::vector<std::int64_t> shape(numbers.shape.begin(), numbers.shape.end());
  if (numbers.are_readable())
    return {std::move(shape), numbers.start, static_cast<int>(numbers.type.size),
            std::move(holder)};
  IndexArray array(std::move(shape), widened(numbers), numbers.is_mask());
  if (numbers.type.kind == ScalarKind::unsigned_integer && numbers.type.size == 8)
    array.set_beyond_apart();
  return array;
}

/// Dense numbers where the library has put them.
IndexArray from_buffer(const DeviceBuffer& buffer) {
  auto owner = std::make_shared<const DeviceBuffer>(buffer);
  return from_numbers({buffer.data(), buffer.shape(), buffer.strides(), buffer.format().type()},
                      std::shared_ptr<const void>(std::move(owner)));
}

std::vector<std::int64_t> strides_of(const ArrayView& view) {
  std::vector<std::int64_t> strides;
  for (const Axis& axis : view.layout().axes()) strides.push_back(axis.stride);
  return strides;
}

IndexArray from_array(py::handle object, OnDevice on_device) {
  if (const auto array = NumpyArray::of(object))
    if (const auto type = array->native_type(); type && is_index_type(*type))
      return from_numbers({array->data(), array->shape(), array->strides(), *type},
                          py::reinterpret_borrow<py::object>(object));
  const Source source = source_of(object);
  const Type& type = index_type(source.view.format());
  const bool is_on_host = source.device == "host";
  if (source.view.layout().levels() == 0) {
    const std::vector<std::int64_t> shape = source.view.shape();
    const std::vector<std::int64_t> strides = strides_of(source.view);
    const Numbers numbers{start_of(source.view), shape, strides, type};
    if (is_on_host) return from_numbers(numbers, source.owner);
    const bool is_borrowed =
        on_device == OnDevice::borrowed && !numbers.is_mask() && numbers.are_readable();
    const auto* const ours = object_in<const DeviceBuffer>(object);
    if (is_borrowed) return IndexArray(ours ? *ours : in_place(source).as_buffer().value());
  }
  const DeviceBuffer dense = dense_copy(source);
  if (is_on_host) return from_buffer(dense);
  if (gathers_read(type)) return IndexArray(dense);
  return from_buffer(without_gil([&](const Watch&) {
    const std::vector<std::byte> bytes = dense.to_host();
    return DeviceBuffer::from_host(Device::host(), bytes.data(), dense.shape(), dense.format());
  }));
}

/// The number that an object is, without axes. IndexError for those beyond 64 bits.
IndexArray from_integer(py::handle object) {
  const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(object.ptr()));
  if (!number) throw py::error_already_set();
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  if (value == -1 && PyErr_Occurred()) throw py::error_already_set();
  if (overflow == 0) return {{}, LargeVector<std::int64_t>(1, value)};
  const unsigned long long large = overflow > 0 ? PyLong_AsUnsignedLongLong(number.ptr()) : 0;
  if (overflow < 0 || PyErr_Occurred()) {
    PyErr_Clear();
    throw py::index_error("an index that does not fit in 64 bits");
  }
  IndexArray result({}, LargeVector<std::int64_t>(1, largest));
  result.beyond.push_back({0, large});
  return result;
}

/// The numbers of a range, none of which becomes an object.
IndexArray from_range(py::handle range) {
  const auto attribute = [&](const char* name) {
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(range.attr(name).ptr(), &overflow);
    if (overflow != 0) throw py::index_error("a range of indices that do not fit in 64 bits");
    return std::int64_t{value};
  };
  const Py_ssize_t count = PyObject_Size(range.ptr());
  if (count < 0) throw py::error_already_set();
  const std::int64_t start = attribute("start"), step = attribute("step");
  LargeVector<std::int64_t> values(static_cast<std::size_t>(count));
  // All of them lie between start and stop, and so fit.
  if (count > 0) attribute("stop");
  for (Py_ssize_t i = 0; i < count; ++i) values[static_cast<std::size_t>(i)] = start + i * step;
  return {{count}, std::move(values)};
}

IndexArray from_list(py::handle list) {
  const NestedList guard;
  const auto items = py::reinterpret_steal<py::object>(PySequence_Fast(list.ptr(), "a list"));
  if (!items) throw py::error_already_set();
  LargeVector<std::int64_t> values;
  std::vector<IndexArray::Beyond> beyond;
  std::vector<std::int64_t> inner;
  std::int64_t count = 0;
  bool is_mask = true;
  // An item's __index__ may change the list. What it adds is not read: it might have no end.
  const Py_ssize_t most = PySequence_Fast_GET_SIZE(items.ptr());
  for (; count < std::min(most, PySequence_Fast_GET_SIZE(items.ptr())); ++count) {
    const auto item =
        py::reinterpret_borrow<py::object>(PySequence_Fast_GET_ITEM(items.ptr(), count));
    if (PyLong_CheckExact(item.ptr()) && inner.empty()) {  // most are lists of these
      int overflow = 0;
      const long long value = PyLong_AsLongLongAndOverflow(item.ptr(), &overflow);
      if (overflow == 0) {
        is_mask = false;
        values.push_back(value);
        continue;
      }
    }
    const IndexArray part = index_array(item);
    if (part.on_device) throw py::index_error("a list of index arrays on a device");
    if (count == 0) inner = part.shape;
    if (part.shape != inner)
      throw py::index_error(text("a nested list of indices is not rectangular: part ", count,
                                 " has shape ", tuple_text(part.shape), ", part 0 ",
                                 tuple_text(inner)));
    is_mask = is_mask && part.is_mask;
    for (const auto& [position, value] : part.beyond)
      beyond.push_back({position + std::ssize(values), value});
    for (std::int64_t i = 0; i < part.size(); ++i) values.push_back(part[i]);
  }
  // An empty list is one of integers, as in NumPy's indexing.
  is_mask = is_mask && count > 0;
  inner.insert(inner.begin(), count);
  IndexArray result(std::move(inner), std::move(values), is_mask);
  result.beyond = std::move(beyond);
  return result;
}

}  // namespace

std::int64_t IndexArray::size() const {
  std::int64_t size = 1;
  for (const std::int64_t extent : shape) size *= extent;
  return size;
}

std::int64_t IndexArray::operator[](std::int64_t i) const {
  switch (bytes_each_) {
    case 1:
      return static_cast<const std::uint8_t*>(data())[i] != 0;
    case 4:
      return static_cast<const std::int32_t*>(data())[i];
    default:
      return static_cast<const std::int64_t*>(data())[i];
  }
}

void IndexArray::set_beyond_apart() {
  for (std::size_t i = 0; i < own_.size(); ++i) {
    if (own_[i] >= 0) continue;
    beyond.push_back({static_cast<std::int64_t>(i), static_cast<std::uint64_t>(own_[i])});
    own_[i] = largest;
  }
}

void IndexArray::settle(IndexMode mode, std::size_t axis, std::int64_t extent) {
  for (const auto& [position, value] : beyond) {
    if (mode == IndexMode::raise) {
      std::vector<std::int64_t> coordinates(shape.size());
      std::int64_t rest = position;
      for (std::size_t i = shape.size(); i-- > 0; rest /= shape[i])
        coordinates[i] = rest % shape[i];
      throw py::index_error(
          text("index ", value,
               shape.empty() ? std::string() : text(" at position ", tuple_text(coordinates)),
               " is out of bounds for axis ", axis, " with size ", extent));
    }
    // The nearest to it is the last of the axis, as for the number that stands here.
    if (mode == IndexMode::wrap && extent > 0)
      own_[static_cast<std::size_t>(position)] =
          static_cast<std::int64_t>(value % static_cast<std::uint64_t>(extent));
  }
  beyond.clear();
}

Indices IndexArray::indices() {
  if (on_device) return Indices(*on_device);
  if (bytes_each_ == 1) {
    LargeVector<std::int64_t> numbers;
    for (std::int64_t i = 0; i < size(); ++i) numbers.push_back((*this)[i]);
    *this = IndexArray(std::move(shape), std::move(numbers));
  }
  const auto count = static_cast<std::size_t>(size());
  if (bytes_each_ == 4) return {{static_cast<const std::int32_t*>(data()), count}, shape};
  return {{static_cast<const std::int64_t*>(data()), count}, shape};
}

IndexArray index_array(py::handle object, OnDevice on_device) {
  if (PyBool_Check(object.ptr()))
    return {{}, LargeVector<std::int64_t>(1, object.is(py::bool_(true))), true};
  if (PyLong_Check(object.ptr()) || is_numpy_integer(object)) return from_integer(object);
  if (PyList_Check(object.ptr()) || PyTuple_Check(object.ptr())) return from_list(object);
  if (is_array(object)) return from_array(object, on_device);
  if (PyIndex_Check(object.ptr())) return from_integer(object);
  if (PyRange_Check(object.ptr())) return from_range(object);
  if (is_index_sequence(object)) {
    // A series of pandas counts by its labels; what it holds it says by this.
    const py::object method = find_attribute(object, "__array__");
    if (!method) return from_list(object);
    const py::object array = method();
    if (is_array(array)) return from_array(array, on_device);
  }
  throw py::index_error(text("indices are integers or booleans, or arrays or lists of them, not ",
                             Py_TYPE(object.ptr())->tp_name, advice_on(object)));
}

bool is_index_sequence(py::handle object) {
  PyObject* const it = object.ptr();
  if (PyList_Check(it) || PyTuple_Check(it) || PyRange_Check(it)) return true;
  if (!PySequence_Check(it) || PyUnicode_Check(it) || PyBytes_Check(it) || is_array(object))
    return false;
  if (PySequence_Size(it) >= 0) return true;
  PyErr_Clear();
  return false;
}

bool are_broadcast_away(std::span<const IndexArray> indices) {
  const std::vector<std::int64_t> shape = broadcast_shape(indices);
  return std::ranges::find(shape, 0) != shape.end();
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
