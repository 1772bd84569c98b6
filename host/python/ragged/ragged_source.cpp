#include "host/python/ragged/ragged_source.hpp"

#include <multibuffer/error.hpp>

#include "host/python/elements/dtype.hpp"
#include "host/python/elements/numpy_array.hpp"
#include "host/python/indexing/indexing.hpp"
#include "host/python/inputs/advice.hpp"
#include "host/python/inputs/arrow_input.hpp"
#include "host/python/inputs/parts.hpp"
#include "host/python/ragged/packed.hpp"
#include "host/python/support/attributes.hpp"
#include "host/python/support/instance.hpp"
#include "host/python/support/nested_list.hpp"
#include "host/python/support/values.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

using Numbers = std::vector<std::int64_t>;

bool is_sequence(py::handle object) {
  return PyList_Check(object.ptr()) || PyTuple_Check(object.ptr());
}

/// What an object has that has no integers: the elements of an array, the first of a list that is
/// none, or its type.
std::string what_instead(py::handle object) {
  const char* const type = Py_TYPE(object.ptr())->tp_name;
  if (is_sequence(object)) {
    const auto items = py::reinterpret_borrow<py::sequence>(object);
    for (std::size_t i = 0; i < items.size(); ++i) {
      const py::object item = items[i];
      if (!PyIndex_Check(item.ptr()))
        return text(type, " with ", repr_of(item), " at position ", i);
    }
  } else if (is_array(object)) {
    return text(type, " of '", dtype_name(source_of(object).view.format()), "'");
  }
  return text(type, advice_on(object));
}

/// Reads the offsets or the lengths, each number once: what they borrow may change.
Numbers numbers_of(const py::object& object, const char* name, Route route) {
  IndexArray array;
  try {
    // Where no address is trusted, a copy is made by a way that looks first.
    const bool is_checked = route == Route::checked && is_array(object);
    array = index_array(is_checked ? wrap(dense_copy(source_of(object, route), route)) : object);
    if (array.on_device) array = index_array(wrap(fetched(*array.on_device)));
  } catch (const py::index_error&) {
    throw py::type_error(
        text(name, " are integers: an array or a list of them, not ", what_instead(object)));
  }
  if (array.is_mask) throw py::type_error(text(name, " are integers, not bools"));
  if (array.shape.size() != 1)
    throw py::value_error(text(name, " have one axis, not the shape ", tuple_text(array.shape)));
  if (!array.beyond.empty())
    throw py::value_error(text(name, "[", array.beyond[0].position, "] is ", array.beyond[0].value,
                               ", which no array can have"));
  Numbers numbers(static_cast<std::size_t>(array.size()));
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = array[static_cast<std::int64_t>(i)];
  return numbers;
}

/// Where rows begin that lie one after the other, and where the last one ends: all of `items`.
Numbers offsets_by(const Numbers& lengths, std::int64_t items) {
  Numbers offsets(lengths.size() + 1, 0);
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] < 0)
      throw py::value_error(text("lengths[", i, "] is ", lengths[i], "; no row has less than 0"));
    if (__builtin_add_overflow(offsets[i], lengths[i], &offsets[i + 1]) || offsets[i + 1] > items)
      throw py::value_error(text("lengths add up to more than the ", items,
                                 " items of the values: row ", i, " is the first beyond"));
  }
  if (offsets.back() != items)
    throw py::value_error(
        text("lengths add up to ", offsets.back(), ", and the values have ", items, " items"));
  return offsets;
}

struct Values {
  Source source;
  bool is_copy = false;
};

/// Makes the array of all items, dense: as it lies, or a copy.
Values values_of(const py::object& object, Route route) {
  Source source = [&] {
    if (!is_array(object) && is_arrow(object)) {
      ArrowColumn column = arrow_column(py::make_tuple(object));
      if (column.parts.size() != 1)
        throw py::value_error(text("the values are in ", column.parts.size(),
                                   " chunks, and offsets count in one: combine_chunks()"));
      return Source{std::move(column.parts[0]), std::move(column.owner), "host", nullptr};
    }
    return source_of(object, route);
  }();
  if (source.view.ndim() == 0)
    throw py::value_error("the values need an axis of items for offsets or lengths to count");
  const Layout& layout = source.view.layout();
  if (is_dense(source.view) || (layout.empty() && layout.levels() == 0))
    return {std::move(source), false};
  return {source_of(dense_copy(source, route)), true};
}

constexpr const char* values_copied = "the array of all items";

RaggedSource of_packed(const py::object& values, const py::object& offsets,
                       const py::object& lengths, Route route) {
  auto [source, is_copy] = values_of(values, route);
  const auto view_of = [&](const ArrayView& all) {
    const std::int64_t items = all.shape()[0];
    if (lengths.is_none())
      return RaggedView::from_offsets(all, numbers_of(offsets, "offsets", route));
    const Numbers counts = numbers_of(lengths, "lengths", route);
    if (offsets.is_none()) return RaggedView::from_offsets(all, offsets_by(counts, items));
    return RaggedView::from_offsets(all, numbers_of(offsets, "offsets", route), counts);
  };
  try {
    RaggedView rows = view_of(source.view);
    return {std::move(rows), std::move(source.owner), std::move(source.device),
            std::move(source.memory), is_copy ? values_copied : ""};
  } catch (const Error& error) {
    // Offsets that are wrong are wrong arguments: no memory was refused.
    if (error.code() != Errc::invalid_view) throw;
    throw py::value_error(error.what());
  }
}

/// The rows of an array whose own are of one length.
RaggedSource of_equal(const py::object& object, Route route) {
  auto [source, is_copy] = values_of(object, route);
  const ArrayView& view = source.view;
  if (view.ndim() < 2)
    throw py::value_error(
        text("an array of shape ", tuple_text(view.shape()),
             " has no rows: give a list of arrays, or offsets= or lengths= that say where rows "
             "begin"));
  const Numbers shape = view.shape();
  const std::byte* const base = start_of(view);
  std::int64_t bytes = view.itemsize();
  for (std::size_t i = 1; i < shape.size(); ++i) bytes *= shape[i];
  std::vector<const std::byte*> starts(static_cast<std::size_t>(shape[0]), base);
  for (std::size_t i = 0; bytes > 0 && i < starts.size(); ++i)
    starts[i] = base + static_cast<std::int64_t>(i) * bytes;
  return {RaggedView(starts, Numbers(starts.size(), shape[1]), view.format(),
                     {shape.begin() + 2, shape.end()}, view.space()),
          std::move(source.owner), std::move(source.device), std::move(source.memory),
          is_copy ? values_copied : ""};
}

RaggedSource of_list(py::handle list, Route route) {
  const NestedList guard;
  Parts parts = rows_of(list, route);
  const Source& first = parts.runs[0].source;
  Numbers item = first.view.shape();
  item.erase(item.begin());
  return {RaggedView(parts.starts, parts.lengths, first.view.format(), std::move(item),
                     first.view.space()),
          std::move(parts.owner), first.device, nullptr,
          parts.copied ? text("row ", *parts.copied) : ""};
}

RaggedSource of_arrow(const py::object& object) {
  ArrowRows rows = arrow_rows(object);
  return {RaggedView(rows.starts, rows.lengths, rows.format, std::move(rows.item_shape)),
          std::move(rows.owner)};
}

/// Tells whether `object` is one of torch's nested tensors.
bool is_nested_tensor(py::handle object) {
  return find_attribute(object, "is_nested").ptr() == Py_True && has_attribute(object, "unbind");
}

/// Of the jagged layout the values and where rows begin, where rows are the first axis behind the
/// batch's; of others, the tensors.
RaggedSource of_nested_tensor(const py::object& tensor, Route route) {
  const bool is_jagged = str_of(tensor.attr("layout")) == "torch.jagged" &&
                         str_of(py::getattr(tensor, "_ragged_idx", py::none())) == "1";
  if (!is_jagged) return of_list(tensor.attr("unbind")(), route);
  const py::object offsets = tensor.attr("offsets")();
  const py::object lengths = tensor.attr("lengths")();
  if (lengths.is_none()) return of_packed(tensor.attr("values")(), offsets, lengths, route);
  // With lengths of their own, the last offset is where the rows' memory ends.
  return of_packed(tensor.attr("values")(), offsets[py::slice(py::none(), py::int_(-1), {})],
                   lengths, route);
}

/// An array of NumPy's whose elements are Python objects is a list of these.
bool is_array_of_objects(py::handle object) {
  if (!NumpyArray::of(object)) return false;
  return str_of(object.attr("dtype").attr("kind")) == "O";
}

RaggedSource read(const py::object& rows, Route route) {
  if (is_packed(rows))
    return of_packed(rows.attr("values"), rows.attr("offsets"), py::none(), route);
  if (is_sequence(rows)) return of_list(rows, route);
  if (is_array_of_objects(rows)) return of_list(rows.attr("tolist")(), route);
  if (is_nested_tensor(rows)) return of_nested_tensor(rows, route);
  if (is_arrow(rows)) return of_arrow(rows);
  if (is_array(rows)) return of_equal(rows, route);
  throw py::type_error(
      text("expected a list of arrays, lists of Arrow's, a nested tensor of torch's, or an array "
           "with offsets= or lengths=, not ",
           Py_TYPE(rows.ptr())->tp_name, advice_on(rows)));
}

}  // namespace

RaggedSource ragged_source(const py::object& rows, const py::object& offsets,
                           const py::object& lengths, Route route) {
  if (offsets.is_none() && lengths.is_none()) return read(rows, route);
  return of_packed(rows, offsets, lengths, route);
}

}  // namespace multibuffer::python
