#include "host/python/indexing/indexing.hpp"

#include "host/python/inputs/advice.hpp"
#include "host/python/inputs/source.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

namespace py = pybind11;

// A key is read in two passes, as NumPy does it: what its items are, and so how many axes they
// take; then one walk over the axes, which leaves view operations and index arrays.
//
// An integer is a view operation even where the key is advanced, since that reads the same
// elements; only for the place of the result's axes does it count as an index array, which is
// NumPy's rule.

namespace multibuffer::python {
namespace {

struct Everything {};  // an ellipsis
struct NewAxis {};
using Item = std::variant<std::int64_t, Slice, Everything, NewAxis, IndexArray>;

/// A bound as Python's slices clip it: what does not fit is as good as infinite.
std::optional<std::int64_t> bound(PyObject* object) {
  if (object == Py_None) return {};
  if (!PyIndex_Check(object))
    throw py::type_error("slice indices must be integers or None or have an __index__ method");
  const Py_ssize_t value = PyNumber_AsSsize_t(object, nullptr);
  if (value == -1 && PyErr_Occurred()) throw py::error_already_set();
  return value;
}

Slice read_slice(py::handle object) {
  const auto* given = reinterpret_cast<PySliceObject*>(object.ptr());
  Slice slice{bound(given->start), bound(given->stop), bound(given->step).value_or(1)};
  if (slice.step == 0) throw py::value_error("slice step cannot be zero");
  return slice;
}

Item read_item(py::handle object) {
  if (object.is_none()) return NewAxis{};
  if (object.is(py::ellipsis())) return Everything{};
  if (PySlice_Check(object.ptr())) return read_slice(object);
  const bool is_list = is_index_sequence(object);
  const bool is_index =
      PyLong_Check(object.ptr()) || PyIndex_Check(object.ptr()) || is_list || is_array(object);
  if (!is_index || PyUnicode_Check(object.ptr()) || PyBytes_Check(object.ptr()))
    throw py::index_error(text(
        "only integers, slices (`:`), ellipsis (`...`), None and integer or boolean arrays are "
        "valid indices, not ",
        Py_TYPE(object.ptr())->tp_name, advice_on(object)));
  IndexArray array = index_array(object);
  // An integer array without axes is an integer; a bool without axes is a mask of no axis.
  const bool is_integer = array.shape.empty() && !array.is_mask && !array.on_device && !is_list;
  if (is_integer && array.beyond.empty()) return array[0];
  return array;
}

std::vector<Item> read_items(py::handle key) {
  std::vector<Item> items;
  if (!PyTuple_Check(key.ptr())) {
    items.push_back(read_item(key));
  } else {
    for (const py::handle item : py::reinterpret_borrow<py::tuple>(key))
      items.push_back(read_item(item));
  }
  return items;
}

int axes_taken(const Item& item) {
  if (const auto* array = std::get_if<IndexArray>(&item))
    return array->is_mask ? static_cast<int>(array->shape.size()) : 1;
  return std::holds_alternative<std::int64_t>(item) || std::holds_alternative<Slice>(item);
}

/// The walk over a key's items.
class Walk {
 public:
  Walk(std::span<const std::int64_t> shape, int axes_of_ellipsis)
      : shape_(shape), axes_of_ellipsis_(axes_of_ellipsis) {}

  void operator()(std::int64_t index) {
    const std::int64_t extent = shape_[source_axis_];
    check_index(index, source_axis_, extent, {});
    block();
    // Integers come first, so that no view on the way has more axes than the array or the result.
    const int axis = static_cast<int>(source_axis_) - static_cast<int>(integers_.size());
    integers_.emplace_back(IndexAxis{axis, index});
    ++source_axis_;
  }
  void operator()(const Slice& slice) {
    separate();
    const bool whole = !slice.start && !slice.stop && slice.step == 1;
    if (!whole) result_.operations.emplace_back(SliceAxis{axis_, slice});
    ++axis_;
    ++source_axis_;
  }
  void operator()(Everything) {
    separate();
    axis_ += axes_of_ellipsis_;
    source_axis_ += static_cast<std::size_t>(axes_of_ellipsis_);
  }
  void operator()(NewAxis) {
    separate();
    result_.operations.emplace_back(InsertAxis{axis_++});
  }
  void operator()(IndexArray array) {
    block();
    if (!array.is_mask) {
      add_next(std::move(array));
    } else if (array.shape.empty()) {
      // A bool is an axis of extent 1, taken or left.
      result_.operations.emplace_back(InsertAxis{axis_});
      const bool taken = array[0] != 0;
      add({{taken}, LargeVector<std::int64_t>(taken, 0)}, {source_axis_, 1});
    } else {
      add_mask(array);
    }
  }

  Selection end() && {
    result_.operations.insert(result_.operations.begin(), integers_.begin(), integers_.end());
    result_.position = blocks_ == 1 ? first_axis_ : 0;
    if (result_.advanced() && !are_broadcast_away(result_.indices))  // which throws for some shapes
      for (std::size_t i = 0; i < result_.indices.size(); ++i)
        result_.indices[i].settle(IndexMode::raise, result_.indexed[i].axis,
                                  result_.indexed[i].extent);
    return std::move(result_);
  }

 private:
  /// Integers and index arrays that stand side by side are one block, and a result's axes go where
  /// the only block is; if there are several, in front.
  void block() {
    if (!in_block_ && blocks_++ == 0) first_axis_ = axis_;
    in_block_ = true;
  }
  void separate() { in_block_ = false; }

  void add(IndexArray array, Selection::Indexed indexed) {
    result_.axes.push_back(axis_++);
    result_.indexed.push_back(indexed);
    result_.indices.push_back(std::move(array));
  }
  void add_next(IndexArray array) {
    add(std::move(array), {source_axis_, shape_[source_axis_]});
    ++source_axis_;
  }

  /// A mask is the indices of what is true in it, an array for each of its axes. As in NumPy, an
  /// axis of no elements goes with any.
  void add_mask(const IndexArray& mask) {
    for (std::size_t i = 0; i < mask.shape.size(); ++i)
      if (mask.shape[i] != 0 && mask.shape[i] != shape_[source_axis_ + i])
        throw py::index_error(text("boolean index did not match indexed array along axis ",
                                   source_axis_ + i, "; size of axis is ", shape_[source_axis_ + i],
                                   " but size of boolean is ", mask.shape[i]));
    std::vector<LargeVector<std::int64_t>> indices(mask.shape.size());
    const std::int64_t size = mask.size();
    for (std::int64_t i = 0; i < size; ++i) {
      if (mask[i] == 0) continue;
      std::int64_t rest = i;
      for (std::size_t axis = mask.shape.size(); axis-- > 0; rest /= mask.shape[axis])
        indices[axis].push_back(rest % mask.shape[axis]);
    }
    const auto count = static_cast<std::int64_t>(indices[0].size());
    for (LargeVector<std::int64_t>& index : indices) add_next({{count}, std::move(index)});
  }

  std::span<const std::int64_t> shape_;
  int axes_of_ellipsis_;
  Selection result_;
  std::vector<ViewOperation> integers_;
  std::size_t source_axis_ = 0;  ///< in the array
  int axis_ = 0;                 ///< in the view that all operations so far make of it
  bool in_block_ = false;
  int blocks_ = 0;
  int first_axis_ = 0;
};

}  // namespace

void check_index(std::int64_t index, std::size_t axis, std::int64_t extent,
                 std::string_view where) {
  if (index < -extent || index >= extent)
    throw py::index_error(
        text("index ", index, where, " is out of bounds for axis ", axis, " with size ", extent));
}

Selection select(py::handle key, std::span<const std::int64_t> shape) {
  std::vector<Item> items = read_items(key);
  const auto is_ellipsis = [](const Item& item) {
    return std::holds_alternative<Everything>(item);
  };
  const auto ellipses = std::ranges::count_if(items, is_ellipsis);
  if (ellipses > 1) throw py::index_error("an index can only have a single ellipsis ('...')");
  int taken = 0;
  for (const Item& item : items) taken += axes_taken(item);
  const auto ndim = static_cast<int>(shape.size());
  if (taken > ndim)
    throw py::index_error(text("too many indices for array: array is ", ndim, "-dimensional, but ",
                               taken, " were indexed"));
  // Axes that are not mentioned stand as if behind an ellipsis.
  if (ellipses == 0) items.emplace_back(Everything{});

  Walk walk(shape, ndim - taken);
  for (Item& item : items) std::visit([&](auto& it) { walk(std::move(it)); }, item);
  return std::move(walk).end();
}

void check_bounds(const Selection& selection) {
  if (are_broadcast_away(selection.indices)) return;
  for (std::size_t n = 0; n < selection.indices.size(); ++n) {
    const IndexArray& array = selection.indices[n];
    const auto [axis, extent] = selection.indexed[n];
    const std::int64_t size = array.on_device ? 0 : array.size();
    for (std::int64_t i = 0; i < size; ++i) {
      const std::int64_t index = array[i];
      if (index >= -extent && index < extent) continue;
      std::vector<std::int64_t> position(array.shape.size());
      std::int64_t rest = i;
      for (std::size_t j = position.size(); j-- > 0; rest /= array.shape[j])
        position[j] = rest % array.shape[j];
      check_index(index, axis, extent, text(" at position ", tuple_text(position)));
    }
  }
}

}  // namespace multibuffer::python
