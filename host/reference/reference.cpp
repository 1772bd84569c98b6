#include <multibuffer/error.hpp>
#include <multibuffer/reference.hpp>

#include "host/support/text.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>
#include <variant>

// This code is written to be compared with the protocol's text line by line, not to be fast: each
// element is found from its own index, through each operation and each pointer.
namespace multibuffer::reference {
namespace {

using Index64 = std::vector<std::int64_t>;

// The protocol allows at most 64 axes. The pipeline's constant is not used here on purpose.
constexpr int pybuf_max_ndim = 64;

/// An export with the protocol's defaults filled in, as get_item_pointer needs it.
struct Export {
  const std::byte* buf = nullptr;
  std::int64_t itemsize = 1;
  Index64 shape;
  Index64 strides;
  Index64 suboffsets;  ///< negative: the axis is direct
};

std::int64_t product(const Index64& factors) {
  if (std::ranges::count(factors, 0) > 0) return 0;
  std::int64_t result = 1;
  for (const std::int64_t factor : factors) {
    if (__builtin_mul_overflow(result, factor, &result)) {
      throw Failure(Errc::size_overflow,
                    text("the size of shape ", tuple_text(factors), " does not fit in 64 bits"));
    }
  }
  return result;
}

Index64 c_order_strides(const Index64& shape, std::int64_t itemsize) {
  Index64 strides(shape.size());
  std::int64_t stride = itemsize;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

Export read_export(const BufferExport& source) {
  Export raw;
  raw.buf = static_cast<const std::byte*>(source.buf);
  raw.itemsize = source.itemsize;
  if (source.ndim < 0 || source.ndim > pybuf_max_ndim) {
    throw Failure(Errc::invalid_view, text("ndim is ", source.ndim, ", not 0 to ", pybuf_max_ndim));
  }
  if (source.itemsize < 1) throw Failure(Errc::invalid_view, text("itemsize ", source.itemsize));
  const auto ndim = static_cast<std::size_t>(source.ndim);

  if (ndim == 1 && source.shape == nullptr) {
    if (!source.len) throw Failure(Errc::invalid_view, "neither shape nor len is given");
    raw.itemsize = 1;
    raw.shape = {*source.len};
    raw.strides = {1};
  } else if (ndim > 0) {
    if (source.shape == nullptr) throw Failure(Errc::invalid_view, "shape is NULL");
    raw.shape.assign(source.shape, source.shape + ndim);
  }
  for (const std::int64_t extent : raw.shape) {
    if (extent < 0) throw Failure(Errc::invalid_view, text("shape ", tuple_text(raw.shape)));
  }

  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(product(raw.shape), raw.itemsize, &bytes)) {
    throw Failure(Errc::size_overflow,
                  text("the bytes of shape ", tuple_text(raw.shape), " do not fit in 64 bits"));
  }
  if (source.len && *source.len != bytes) {
    throw Failure(Errc::invalid_view, text("len is ", *source.len, ", not ", bytes));
  }
  if (bytes > 0 && raw.buf == nullptr) throw Failure(Errc::invalid_view, "buf is NULL");

  if (raw.strides.empty() && ndim > 0) {
    if (source.strides != nullptr) {
      raw.strides.assign(source.strides, source.strides + ndim);
    } else if (bytes > 0) {
      raw.strides = c_order_strides(raw.shape, raw.itemsize);
    } else {
      raw.strides.assign(ndim, 0);
    }
  }
  if (source.suboffsets != nullptr && source.shape != nullptr) {
    raw.suboffsets.assign(source.suboffsets, source.suboffsets + ndim);
  } else {
    raw.suboffsets.assign(ndim, -1);
  }
  return raw;
}

const std::byte* at_address(std::uintptr_t address) {
  return reinterpret_cast<const std::byte*>(address);  // NOLINT(performance-no-int-to-ptr)
}

/// Transcribes PEP 3118's get_item_pointer. Addresses are integers here, because pointer arithmetic
/// must not leave an object, and with negative strides it might on its way.
const std::byte* get_item_pointer(const Export& raw, const Index64& indices) {
  auto pointer = reinterpret_cast<std::uintptr_t>(raw.buf);
  for (std::size_t i = 0; i < indices.size(); ++i) {
    pointer +=
        static_cast<std::uintptr_t>(raw.strides[i]) * static_cast<std::uintptr_t>(indices[i]);
    if (raw.suboffsets[i] >= 0) {
      std::uintptr_t target = 0;
      std::memcpy(&target, at_address(pointer), sizeof target);
      if (target == 0) {
        throw Failure(Errc::null_pointer,
                      text("at index ", tuple_text(indices), " of the export, on axis ", i));
      }
      pointer = target + static_cast<std::uintptr_t>(raw.suboffsets[i]);
    }
  }
  return at_address(pointer);
}

/// Maps an index of an operation's result to one of its input.
struct SliceIndex {
  std::size_t axis;
  std::int64_t start, step;
};
struct FixIndex {
  std::size_t axis;
  std::int64_t value;
};
struct PermuteIndex {
  std::vector<std::size_t> axes;
};
struct DropIndex {
  std::size_t axis;
};
struct ReshapeIndex {
  Index64 from, to;  ///< shapes before and after
};
using IndexMap = std::variant<SliceIndex, FixIndex, PermuteIndex, DropIndex, ReshapeIndex>;

/// Returns the coordinates of element `position` of a C-ordered array.
Index64 coordinates(std::int64_t position, const Index64& shape) {
  Index64 result(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    result[axis] = position % shape[axis];
    position /= shape[axis];
  }
  return result;
}

void map_back(const SliceIndex& map, Index64& index) {
  index[map.axis] = map.start + index[map.axis] * map.step;
}
void map_back(const FixIndex& map, Index64& index) {
  index.insert(index.begin() + static_cast<std::ptrdiff_t>(map.axis), map.value);
}
void map_back(const PermuteIndex& map, Index64& index) {
  const Index64 result = index;
  for (std::size_t i = 0; i < result.size(); ++i) index[map.axes[i]] = result[i];
}
void map_back(const DropIndex& map, Index64& index) {
  index.erase(index.begin() + static_cast<std::ptrdiff_t>(map.axis));
}
void map_back(const ReshapeIndex& map, Index64& index) {
  std::int64_t position = 0;
  for (std::size_t axis = 0; axis < index.size(); ++axis)
    position = position * map.to[axis] + index[axis];
  index = coordinates(position, map.from);
}

std::size_t count_axis(int axis, std::size_t ndim) {
  const auto count = static_cast<int>(ndim);
  if (axis < -count || axis >= count) {
    throw Failure(Errc::invalid_argument, text("there is no axis ", axis, " of ", count));
  }
  return static_cast<std::size_t>(axis < 0 ? axis + count : axis);
}

struct Bounds {
  std::int64_t start, step, length;
};

/// Transcribes CPython's PySlice_Unpack and PySlice_AdjustIndices.
Bounds adjust_indices(const Slice& slice, std::int64_t length) {
  constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  if (slice.step == 0) throw Failure(Errc::invalid_argument, "a slice's step is 0");
  const std::int64_t step = std::max(slice.step, -highest);
  std::int64_t start = slice.start.value_or(step < 0 ? highest : 0);
  std::int64_t stop = slice.stop.value_or(step < 0 ? lowest : highest);

  if (start < 0) {
    start += length;
    if (start < 0) start = step < 0 ? -1 : 0;
  } else if (start >= length) {
    start = step < 0 ? length - 1 : length;
  }
  if (stop < 0) {
    stop += length;
    if (stop < 0) stop = step < 0 ? -1 : 0;
  } else if (stop >= length) {
    stop = step < 0 ? length - 1 : length;
  }

  if (step < 0) return {start, step, stop < start ? (start - stop - 1) / -step + 1 : 0};
  return {start, step, start < stop ? (stop - start - 1) / step + 1 : 0};
}

// Each of these changes `shape` from that of the operation's input to that of its result.
IndexMap apply(const SliceAxis& operation, Index64& shape) {
  const std::size_t axis = count_axis(operation.axis, shape.size());
  const Bounds bounds = adjust_indices(operation.slice, shape[axis]);
  shape[axis] = bounds.length;
  return SliceIndex{axis, bounds.start, bounds.step};
}
IndexMap apply(const IndexAxis& operation, Index64& shape) {
  const std::size_t axis = count_axis(operation.axis, shape.size());
  const std::int64_t extent = shape[axis];
  if (operation.index < -extent || operation.index >= extent) {
    throw Failure(Errc::index_out_of_range,
                  text("index ", operation.index, " on axis ", axis, " of extent ", extent));
  }
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  return FixIndex{axis, operation.index < 0 ? operation.index + extent : operation.index};
}
IndexMap apply(const Permute& operation, Index64& shape) {
  PermuteIndex map;
  Index64 permuted;
  for (const int axis : operation.axes) {
    map.axes.push_back(count_axis(axis, shape.size()));
    permuted.push_back(shape[map.axes.back()]);
  }
  std::vector<std::size_t> sorted = map.axes;
  std::ranges::sort(sorted);
  const bool repeats = std::ranges::adjacent_find(sorted) != sorted.end();
  if (repeats || sorted.size() != shape.size()) {
    throw Failure(Errc::invalid_argument, text("axes ", tuple_text(operation.axes),
                                               " are no permutation of ", shape.size(), " axes"));
  }
  shape = permuted;
  return map;
}
IndexMap apply(const InsertAxis& operation, Index64& shape) {
  const std::size_t axis = count_axis(operation.axis, shape.size() + 1);
  if (shape.size() >= static_cast<std::size_t>(pybuf_max_ndim)) {
    throw Failure(Errc::invalid_argument, text("more than ", pybuf_max_ndim, " axes"));
  }
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), 1);
  return DropIndex{axis};
}
IndexMap apply(const Reshape& operation, Index64& shape) {
  const bool negative =
      std::ranges::any_of(operation.shape, [](auto extent) { return extent < 0; });
  if (negative || product(operation.shape) != product(shape)) {
    throw Failure(Errc::invalid_argument, text("shape ", tuple_text(operation.shape),
                                               " is none of the elements of ", tuple_text(shape)));
  }
  return ReshapeIndex{std::exchange(shape, operation.shape), operation.shape};
}

/// The view operations as maps of indices, in the order in which they were applied.
struct Maps {
  Index64 shape;  ///< the shape of the last operation's result
  std::vector<IndexMap> maps;
};

Maps compose(const Index64& shape, std::span<const ViewOperation> operations) {
  Maps result{shape, {}};
  for (const ViewOperation& operation : operations) {
    result.maps.push_back(
        std::visit([&](const auto& it) { return apply(it, result.shape); }, operation));
  }
  return result;
}

/// A group of index arrays, broadcast and made valid, and the place of its axes in the result.
struct Selector {
  std::vector<std::size_t> axes;  ///< axes of the array
  Index64 shape;                  ///< the index arrays' common shape
  std::size_t anchor = 0;  ///< the group's axes come before the first kept axis from this one on
  std::size_t first = 0;   ///< its first axis in the result
  std::vector<Index64> values;  ///< one index array each
  std::vector<Index64> steps;   ///< in `values`, along each axis of `shape`; 0 where broadcast
};

/// Broadcasts a group's index arrays as NumPy does, aligned at the last axis.
Index64 broadcast(const std::vector<Index>& arrays) {
  Index64 common;
  for (const Index& array : arrays) {
    if (array.shape.size() > common.size()) {
      common.insert(common.begin(), array.shape.size() - common.size(), 1);
    }
    for (std::size_t back = 1; back <= array.shape.size(); ++back) {
      std::int64_t& extent = common[common.size() - back];
      const std::int64_t own = array.shape[array.shape.size() - back];
      if (extent == 1) extent = own;
      if (own != 1 && own != extent) {
        throw Failure(Errc::invalid_argument,
                      text("an index array of shape ", tuple_text(array.shape),
                           " does not broadcast to ", tuple_text(common)));
      }
    }
  }
  return common;
}

Index64 broadcast_steps(const Index64& own, const Index64& common) {
  Index64 steps(common.size(), 0);
  std::int64_t step = 1;
  for (std::size_t back = 1; back <= own.size(); ++back) {
    const std::int64_t extent = own[own.size() - back];
    if (extent != 1) steps[common.size() - back] = step;
    step *= extent;
  }
  return steps;
}

Index64 valid_indices(const Index& array, std::size_t axis, std::int64_t extent, IndexMode mode) {
  Index64 result;
  result.reserve(array.values.size());
  for (const std::int64_t value : array.values) {
    const bool bad = mode == IndexMode::raise && (value < -extent || value >= extent);
    if (bad || extent == 0) {
      const auto position = static_cast<std::int64_t>(result.size());
      throw Failure(
          Errc::index_out_of_range,
          text("index ", value, " at position ", tuple_text(coordinates(position, array.shape)),
               " of the index array for axis ", axis, ", whose extent is ", extent));
    }
    switch (mode) {
      case IndexMode::raise:
        result.push_back(value < 0 ? value + extent : value);
        break;
      case IndexMode::clip:
        result.push_back(std::clamp<std::int64_t>(value, 0, extent - 1));
        break;
      case IndexMode::wrap:
        result.push_back((value % extent + extent) % extent);
        break;
    }
  }
  return result;
}

/// Returns where NumPy puts a group's axes: where the indexed axes were if they are neighbours,
/// else in front.
std::size_t default_anchor(std::vector<std::size_t> axes) {
  std::ranges::sort(axes);
  return axes.back() - axes.front() + 1 == axes.size() ? axes.front() : 0;
}

Selector make_selector(const Group& group, const Index64& shape, IndexMode mode) {
  if (group.axes.empty() || group.axes.size() != group.indices.size()) {
    throw Failure(Errc::invalid_argument, text("a group has ", group.indices.size(),
                                               " index arrays for ", group.axes.size(), " axes"));
  }
  Selector result;
  result.shape = broadcast(group.indices);
  for (std::size_t i = 0; i < group.axes.size(); ++i) {
    const Index& array = group.indices[i];
    if (product(array.shape) != static_cast<std::int64_t>(array.values.size())) {
      throw Failure(Errc::invalid_argument,
                    text(array.values.size(), " indices in shape ", tuple_text(array.shape)));
    }
    const std::size_t axis = count_axis(group.axes[i], shape.size());
    result.axes.push_back(axis);
    // NumPy ignores indices that are broadcast to no elements.
    if (product(result.shape) > 0)
      result.values.push_back(valid_indices(array, axis, shape[axis], mode));
    else
      result.values.emplace_back();
    result.steps.push_back(broadcast_steps(array.shape, result.shape));
  }
  const int ndim = static_cast<int>(shape.size());
  const int position = group.position.value_or(static_cast<int>(default_anchor(result.axes)));
  if (position < 0 || position > ndim) {
    throw Failure(Errc::invalid_argument, text("a group's position is ", position, " of ", ndim));
  }
  result.anchor = static_cast<std::size_t>(position);
  return result;
}

/// Orders the groups, and the axes that no group indexes, as the result has them.
struct Selection {
  Index64 shape;
  std::vector<Selector> selectors;
  std::vector<std::size_t> kept;        ///< axes of the array
  std::vector<std::size_t> kept_first;  ///< the axis of the result for each
};

Selection select(const Index64& shape, std::span<const Group> groups, IndexMode mode) {
  Selection result;
  std::vector<bool> indexed(shape.size(), false);
  for (const Group& group : groups) {
    result.selectors.push_back(make_selector(group, shape, mode));
    for (const std::size_t axis : result.selectors.back().axes) {
      if (indexed[axis])
        throw Failure(Errc::invalid_argument, text("axis ", axis, " indexed twice"));
      indexed[axis] = true;
    }
  }
  for (std::size_t axis = 0; axis <= shape.size(); ++axis) {
    for (Selector& selector : result.selectors) {
      if (selector.anchor != axis) continue;
      selector.first = result.shape.size();
      result.shape.insert(result.shape.end(), selector.shape.begin(), selector.shape.end());
    }
    if (axis < shape.size() && !indexed[axis]) {
      result.kept.push_back(axis);
      result.kept_first.push_back(result.shape.size());
      result.shape.push_back(shape[axis]);
    }
  }
  if (result.shape.size() > static_cast<std::size_t>(pybuf_max_ndim)) {
    throw Failure(Errc::invalid_argument, text("the result has ", result.shape.size(),
                                               " axes, more than ", pybuf_max_ndim));
  }
  return result;
}

/// Returns the index in the array that the groups read, for the result's element at `index`.
void map_back(const Selection& selection, const Index64& index, Index64& array_index) {
  std::size_t ndim = selection.kept.size();
  for (const Selector& selector : selection.selectors) ndim += selector.axes.size();
  array_index.resize(ndim);
  for (std::size_t i = 0; i < selection.kept.size(); ++i) {
    array_index[selection.kept[i]] = index[selection.kept_first[i]];
  }
  for (const Selector& selector : selection.selectors) {
    for (std::size_t i = 0; i < selector.axes.size(); ++i) {
      std::int64_t position = 0;
      for (std::size_t j = 0; j < selector.shape.size(); ++j) {
        position += index[selector.first + j] * selector.steps[i][j];
      }
      array_index[selector.axes[i]] = selector.values[i][static_cast<std::size_t>(position)];
    }
  }
}

/// Advances to the next index in C order; returns false after the last.
bool advance(Index64& index, const Index64& shape) {
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    if (++index[axis] < shape[axis]) return true;
    index[axis] = 0;
  }
  return false;
}

/// Calls `visit` with the address of each element of the result. Without elements it does nothing,
/// and so follows no pointer.
template <class Visit>
void for_each_element(const Export& raw, const Maps& maps, const Selection& selection,
                      const Watch& watch, Visit visit) {
  constexpr std::int64_t between_looks = 1024;
  const std::int64_t count = product(selection.shape);
  if (count == 0) return;
  std::int64_t done = 0;
  Index64 index(selection.shape.size(), 0);
  Index64 source_index;
  do {
    if (done++ % between_looks == 0) {
      if (watch.stop.stop_requested()) throw Failure(Errc::cancelled, "while following pointers");
      if (watch.progress) watch.progress((done - 1) * raw.itemsize, count * raw.itemsize);
    }
    map_back(selection, index, source_index);
    for (auto map = maps.maps.rbegin(); map != maps.maps.rend(); ++map) {
      std::visit([&](const auto& it) { map_back(it, source_index); }, *map);
    }
    visit(get_item_pointer(raw, source_index));
  } while (advance(index, selection.shape));
  if (watch.progress) watch.progress(count * raw.itemsize, count * raw.itemsize);
}

}  // namespace

Addresses addresses(const BufferExport& source, std::span<const ViewOperation> operations,
                    std::span<const Group> groups, const Options& options) {
  const Export raw = read_export(source);
  const Maps maps = compose(raw.shape, operations);
  const Selection selection = select(maps.shape, groups, options.mode);

  Addresses result{selection.shape, {}};
  result.elements.reserve(static_cast<std::size_t>(product(selection.shape)));
  for_each_element(raw, maps, selection, options.watch,
                   [&](const std::byte* element) { result.elements.push_back(element); });
  return result;
}

Result gather(const BufferExport& source, std::span<const ViewOperation> operations,
              std::span<const Group> groups, const Options& options) {
  const Export raw = read_export(source);
  const Maps maps = compose(raw.shape, operations);
  const Selection selection = select(maps.shape, groups, options.mode);

  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(product(selection.shape), raw.itemsize, &bytes)) {
    throw Failure(Errc::size_overflow, text("the bytes of shape ", tuple_text(selection.shape),
                                            " do not fit in 64 bits"));
  }
  Result result{selection.shape, std::vector<std::byte>(static_cast<std::size_t>(bytes))};
  std::byte* out = result.bytes.data();
  for_each_element(raw, maps, selection, options.watch, [&](const std::byte* element) {
    std::memcpy(out, element, static_cast<std::size_t>(raw.itemsize));
    out += raw.itemsize;
  });
  return result;
}

}  // namespace multibuffer::reference
