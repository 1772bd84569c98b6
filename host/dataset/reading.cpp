#include "host/dataset/reading.hpp"

#include <multibuffer/error.hpp>

#include "host/backend/backend.hpp"
#include "host/dataset/window.hpp"
#include "host/gather/conversion.hpp"
#include "host/gather/overlap.hpp"
#include "host/gather/result_axes.hpp"
#include "host/gather/scaling.hpp"
#include "host/gather/staged_indices.hpp"
#include "host/support/checked.hpp"
#include "host/support/text.hpp"
#include "host/support/threshold.hpp"
#include "host/upload/internals.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <span>
#include <utility>

// A selection becomes parts of the result, and each part a copy, in these steps:
//
//     Selection ──► Result (its axes) ──► Walk (what each axis adds to which index of the files)
//               ──► Box (a part, small enough) ──► Places (file and byte of each leaf)
//               ──► addresses (mapped, or in a window) ──► one plan, or one upload
//
// Windows of rows that the result has as they are in the files are read right there.

namespace multibuffer {
namespace {

struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t extent() const { return end - begin; }
};
/// A part of the result: a range of each of its axes.
using Box = std::vector<Range>;

/// How an axis of the result is read.
enum class Way {
  leaf,     ///< by a stride within each leaf
  pointer,  ///< by a pointer for each index
  cut,      ///< by a stride, in one part of the result for each piece of the files
};

struct WalkAxis {
  std::int64_t extent = 0;
  Way way = Way::leaf;
  bool is_slice = true;
  std::size_t level = 0;    ///< of a slice: the axis of the files, or behind them the element
  std::int64_t stride = 0;  ///< of a slice: indices of that axis, or bytes
};

/// An index array, as it adds to the indices of one axis of the files.
struct Added {
  std::size_t level = 0;
  std::vector<std::int64_t> values;
  SmallVector<std::int64_t, 4> steps;  ///< in `values`, along each axis of the result
};

constexpr Threshold most_pointers{std::int64_t{1} << 20, 8};
constexpr std::int64_t pointer_bytes = 8;
/// A pointer for each run of so many bytes costs little beside the run.
constexpr std::int64_t worth_a_pointer = 128;
/// Copying so many bytes takes longer than to begin.
constexpr std::int64_t worth_a_part = 1024;

std::vector<std::int64_t> values_of(const Indices& indices, const PlanIndices& axis, IndexMode mode,
                                    std::int64_t stride, bool checked) {
  std::vector<std::byte> fetched;
  const void* data = indices.data();
  if (indices.space() == MemorySpace::device) {
    fetched = indices.buffer()->to_host();
    data = fetched.data();
  }
  const std::int64_t count = count_of(indices);
  std::vector<std::int64_t> values(static_cast<std::size_t>(count));
  const auto fill = [&](const auto* from) {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t index = resolve_index(from[i], axis.extent, mode);
      if (index < 0 && checked) throw_bad_index(axis, i, from[i]);
      values[static_cast<std::size_t>(i)] = index * stride;
    }
  };
  if (checked && axis.extent == 0 && count > 0)
    throw Failure(Errc::index_out_of_range,
                  text(count, " indices for axis ", axis.axis, ", whose extent is 0"));
  if (axis.extent == 0) return values;
  if (indices.bytes_each() == 4)
    fill(static_cast<const std::int32_t*>(data));
  else
    fill(static_cast<const std::int64_t*>(data));
  return values;
}

/// Where the leaves of a box lie, in C order of its pointer axes.
struct Places {
  std::vector<std::int64_t> offsets;  ///< of index 0 of each leaf, in its file
  std::vector<std::uint32_t> files;   ///< empty: all are in file 0
};

/// The axes of a selection, and what each adds to the indices of the files.
class Walk {
 public:
  Walk(const Grid& grid, const Format& format, const Layout& layout, const Selection& selection)
      : grid_(grid),
        itemsize_(format.itemsize()),
        origins_(layout.origins().begin(), layout.origins().end()),
        result_(result_of(layout, selection)) {
    for (const ResultAxis& axis : result_.axes) {
      if (!axis.array_axis) {
        axes_.push_back({axis.extent, Way::pointer, false, 0, 0});
        continue;
      }
      const Axis& seen = layout.axes()[*axis.array_axis];
      axes_.push_back(
          {axis.extent, Way::leaf, true, static_cast<std::size_t>(seen.level), seen.stride});
    }
    for (std::size_t g = 0; g < selection.groups.size(); ++g)
      for (std::size_t m = 0; m < selection.groups[g].indices.size(); ++m)
        add_indices(layout, selection, g, m);
    choose_ways();
  }

  const Grid& grid() const { return grid_; }
  std::int64_t itemsize() const { return itemsize_; }
  const std::vector<WalkAxis>& axes() const { return axes_; }
  Shape shape() const { return result_.shape(); }
  bool empty() const {
    return std::ranges::any_of(axes_, [](const WalkAxis& axis) { return axis.extent == 0; });
  }
  Box whole() const {
    Box box;
    for (const WalkAxis& axis : axes_) box.push_back({0, axis.extent});
    return box;
  }

  /// Bytes from one index of an axis to the next, within a leaf. That of an axis with one index may
  /// be as large as a slice's step, and means nothing.
  std::int64_t leaf_stride(const WalkAxis& axis) const {
    if (axis.extent <= 1) return 0;
    return axis.level < grid_.axes.size() ? axis.stride * grid_.axes[axis.level].stride
                                          : axis.stride;
  }
  std::int64_t pointers(const Box& box) const {
    std::int64_t count = 1;
    for (std::size_t r = 0; r < box.size(); ++r)
      if (axes_[r].way == Way::pointer) count *= box[r].extent();
    return count;
  }
  /// The bytes that a leaf's elements lie in, from that of index 0 on.
  Range leaf(const Box& box) const {
    Range bytes{0, itemsize_};
    for (std::size_t r = 0; r < box.size(); ++r) {
      if (axes_[r].way == Way::pointer) continue;
      const std::int64_t reach = (box[r].extent() - 1) * leaf_stride(axes_[r]);
      (reach < 0 ? bytes.begin : bytes.end) += reach;
    }
    return bytes;
  }
  /// The piece, along its axis of the files, that a cut axis is in at an index.
  std::int64_t piece_at(std::size_t r, std::int64_t index) const {
    return grid_.axes[axes_[r].level]
        .locate(origins_[axes_[r].level] + index * axes_[r].stride)
        .piece;
  }

  Places places(const Box& box) const;
  /// Where each leaf of a box begins in a result of these strides, in bytes from the box's first
  /// element, in the order of `places`.
  std::vector<std::int64_t> places_in_result(const Box& box, const Shape& strides) const;
  /// Makes every axis that more than one piece lies along one of pointers.
  void use_pointers_alone() {
    for (WalkAxis& axis : axes_)
      if (axis.way == Way::cut) axis.way = Way::pointer;
  }

 private:
  std::vector<std::size_t> pointer_axes(const Box& box) const {
    std::vector<std::size_t> found;
    for (std::size_t r = 0; r < box.size(); ++r)
      if (axes_[r].way == Way::pointer) found.push_back(r);
    return found;
  }
  /// Adds `value_at` of what begins at `first`, and walks by `step_of` a pointer axis along it, to
  /// each of `to`, which has a number for every leaf of the box.
  template <class ValueAt, class StepOf>
  void add_along_pointers(const Box& box, std::vector<std::int64_t>& to, const ValueAt& value_at,
                          std::int64_t first, const StepOf& step_of) const;

  void add_indices(const Layout& layout, const Selection& selection, std::size_t g, std::size_t m) {
    const ReadyGroup& group = result_.groups[g];
    const Indices& indices = selection.groups[g].indices[m];
    const Axis& indexed = layout.axes()[static_cast<std::size_t>(group.axes[m])];
    const PlanIndices axis{.axis = group.axes[m],
                           .extent = indexed.extent,
                           .shape = SmallVector<std::int64_t, 4>(indices.shape()),
                           .steps = {}};
    Added added;
    added.level = static_cast<std::size_t>(indexed.level);
    // As in NumPy, what is broadcast away may be anything.
    const bool checked = std::ranges::find(group.shape, 0) == group.shape.end();
    added.values = values_of(indices, axis, selection.mode, indexed.stride, checked);
    added.steps = index_steps(result_, g, indices.shape());
    added_.push_back(std::move(added));
  }

  /// Axes of the files in several pieces need pointers, or parts of the result.
  void choose_ways() {
    std::vector<int> users(grid_.axes.size() + 1, 0);
    for (const WalkAxis& axis : axes_)
      if (axis.is_slice && axis.stride != 0) ++users[axis.level];
    for (const Added& added : added_) ++users[added.level];
    // No longer than what matters: beside an axis of no elements, others may be of any extent.
    std::int64_t run = itemsize_;
    std::vector<std::size_t> order;  // innermost of the files first
    for (std::size_t r = 0; r < axes_.size(); ++r)
      if (axes_[r].is_slice) order.push_back(r);
    std::ranges::stable_sort(order, std::greater{}, [&](std::size_t r) { return axes_[r].level; });
    for (const std::size_t r : order) {
      WalkAxis& axis = axes_[r];
      const std::int64_t pieces =
          axis.level < grid_.axes.size() ? grid_.axes[axis.level].pieces() : 1;
      if (pieces <= 1 || axis.stride == 0) {
        run = std::min(run, worth_a_part) * std::clamp<std::int64_t>(axis.extent, 1, worth_a_part);
        continue;
      }
      const std::int64_t step = axis.stride < 0 ? -axis.stride : axis.stride;
      const std::int64_t in_a_piece =
          std::clamp<std::int64_t>(grid_.axes[axis.level].extent / pieces / step, 1, worth_a_part);
      const bool cut = users[axis.level] == 1 && run < worth_a_pointer && in_a_piece > 1 &&
                       run * in_a_piece >= worth_a_part;
      axis.way = cut ? Way::cut : Way::pointer;
      if (cut) run *= in_a_piece;
    }
  }

  const Grid& grid_;
  std::int64_t itemsize_;
  std::vector<std::int64_t> origins_;
  Result result_;
  std::vector<WalkAxis> axes_;
  std::vector<Added> added_;
};

template <class ValueAt, class StepOf>
void Walk::add_along_pointers(const Box& box, std::vector<std::int64_t>& to,
                              const ValueAt& value_at, std::int64_t first,
                              const StepOf& step_of) const {
  const std::vector<std::size_t> walked = pointer_axes(box);
  std::vector<std::int64_t> index(walked.size(), 0);
  const std::int64_t inner = walked.empty() ? 1 : box[walked.back()].extent();
  const std::int64_t inner_step = walked.empty() ? 0 : step_of(walked.back());
  std::int64_t at = first;
  for (std::size_t p = 0; p < to.size();) {
    for (std::int64_t i = 0; i < inner; ++i, ++p) to[p] += value_at(at + i * inner_step);
    for (std::size_t k = walked.size(); k-- > 0;) {
      if (k + 1 == walked.size()) continue;
      at += step_of(walked[k]);
      if (++index[k] < box[walked[k]].extent()) break;
      at -= index[k] * step_of(walked[k]);
      index[k] = 0;
    }
  }
}

std::vector<std::int64_t> Walk::places_in_result(const Box& box, const Shape& strides) const {
  std::vector<std::int64_t> places(static_cast<std::size_t>(pointers(box)), 0);
  add_along_pointers(
      box, places, [](std::int64_t offset) { return offset; }, 0,
      [&](std::size_t r) { return strides[r]; });
  return places;
}

Places Walk::places(const Box& box) const {
  const std::size_t count = static_cast<std::size_t>(pointers(box));
  const std::size_t levels = grid_.axes.size();
  // This part does not depend on the pointer axes.
  std::vector<std::int64_t> fixed = origins_;
  for (std::size_t r = 0; r < box.size(); ++r)
    if (axes_[r].is_slice) fixed[axes_[r].level] += box[r].begin * axes_[r].stride;
  std::vector<std::int64_t> piece(count, 0);
  Places places;
  places.offsets.assign(count, fixed[levels]);

  for (std::size_t level = 0; level <= levels; ++level) {
    const bool in_element = level == levels;
    std::vector<std::int64_t> indices;
    const auto begin = [&]() -> std::vector<std::int64_t>& {
      if (in_element) return places.offsets;
      if (indices.empty()) indices.assign(count, fixed[level]);
      return indices;
    };
    for (std::size_t r = 0; r < box.size(); ++r) {
      const WalkAxis& axis = axes_[r];
      if (axis.way != Way::pointer || !axis.is_slice || axis.level != level) continue;
      add_along_pointers(
          box, begin(), [](std::int64_t value) { return value; }, 0,
          [&](std::size_t other) { return other == r ? axis.stride : 0; });
    }
    for (const Added& added : added_) {
      if (added.level != level) continue;
      std::int64_t first = 0;
      for (std::size_t r = 0; r < box.size(); ++r) first += box[r].begin * added.steps[r];
      add_along_pointers(
          box, begin(), [&](std::int64_t at) { return added.values[static_cast<std::size_t>(at)]; },
          first, [&](std::size_t r) { return added.steps[r]; });
    }
    if (in_element) break;
    const GridAxis& axis = grid_.axes[level];
    const std::int64_t pieces = axis.pieces();
    if (indices.empty()) {
      const GridAxis::Place place = axis.locate(fixed[level]);
      for (std::size_t p = 0; p < count; ++p) piece[p] = piece[p] * pieces + place.piece;
      for (std::int64_t& offset : places.offsets) offset += place.within * axis.stride;
    } else if (pieces == 1) {
      for (std::size_t p = 0; p < count; ++p) places.offsets[p] += indices[p] * axis.stride;
    } else {
      for (std::size_t p = 0; p < count; ++p) {
        const GridAxis::Place place = axis.locate(indices[p]);
        piece[p] = piece[p] * pieces + place.piece;
        places.offsets[p] += place.within * axis.stride;
      }
    }
  }
  for (std::size_t p = 0; p < count; ++p)
    places.offsets[p] += grid_.offsets[static_cast<std::size_t>(piece[p])];
  if (!grid_.files.empty()) {
    places.files.resize(count);
    for (std::size_t p = 0; p < count; ++p)
      places.files[p] = grid_.files[static_cast<std::size_t>(piece[p])];
  }
  return places;
}

/// The mapped files that a call has touched: each is looked at before and after.
class Touched {
 public:
  explicit Touched(const DatasetSource& source) : source_(source) {}

  /// Turns places into addresses.
  std::vector<std::int64_t> addresses(Places places) {
    if (bases_.empty()) bases_.resize(source_.files.size());
    if (places.files.empty()) {
      const std::int64_t base = base_of(0);
      for (std::int64_t& offset : places.offsets) offset += base;
    } else {
      for (std::size_t p = 0; p < places.offsets.size(); ++p)
        places.offsets[p] += base_of(places.files[p]);
    }
    return std::move(places.offsets);
  }
  void check() const {
    for (const std::uint32_t file : touched_) source_.check_unchanged(file);
  }

 private:
  std::int64_t base_of(std::uint32_t file) {
    std::optional<std::int64_t>& base = bases_[file];
    if (!base) {
      source_.check_unchanged(file);
      base = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(source_.contents(file)));
      touched_.push_back(file);
    }
    return *base;
  }

  const DatasetSource& source_;
  std::vector<std::optional<std::int64_t>> bases_;
  std::vector<std::uint32_t> touched_;
};

/// A box as an array of pointers in host memory: its axes are in the order of the result's.
Layout layout_of(const Walk& walk, const Box& box) {
  const bool has_table = walk.pointers(box) > 1;
  std::vector<Axis> axes(box.size());
  std::int64_t step = pointer_bytes;
  for (std::size_t r = box.size(); r-- > 0;) {
    const WalkAxis& axis = walk.axes()[r];
    axes[r].extent = box[r].extent();
    if (axis.way == Way::pointer) {
      axes[r].stride = has_table ? step : 0;
      step *= axes[r].extent;
    } else {
      axes[r].stride = walk.leaf_stride(axis);
      axes[r].level = has_table ? 1 : 0;
    }
  }
  return Layout(std::move(axes), std::vector<std::int64_t>(has_table ? 2 : 1, 0));
}

ArrayView view_of(const std::vector<std::int64_t>& addresses, const Format& format,
                  const Layout& layout) {
  const void* base = layout.levels() > 0
                         ? static_cast<const void*>(addresses.data())
                         : reinterpret_cast<const void*>(static_cast<std::uintptr_t>(addresses[0]));
  return ArrayView(base, format, layout);
}

class Reader {
 public:
  Reader(const DatasetSource& source, const Format& format, const Layout& layout,
         const Selection& selection, const ReadOptions& options)
      : source_(source),
        format_(format),
        to_(options.format ? *options.format : format),
        options_(options),
        walk_(source.grid, format, layout, selection),
        touched_(source),
        conversion_(conversion_of(format, options)) {
    if (options.scaling) scaling_.emplace(*options.scaling, walk_.shape());
  }

  DeviceBuffer read() {
    const Shape shape = walk_.shape();
    const Shape dense = dense_strides(shape, to_.itemsize(), options_.order);
    strides_ = options_.out && !options_.out->strides.empty() ? options_.out->strides : dense;
    Device device = options_.device;
    if (options_.out) {
      check_output(*options_.out, shape, strides_, to_.itemsize());
      check_apart();
      device = options_.out->space == MemorySpace::host ? Device::host()
                                                        : Device::of_memory(options_.out->data);
    }
    on_host_ = device.kind() == DeviceKind::host;
    if (!walk_.empty()) total_ = count_of_elements(shape) * to_.itemsize();
    BufferParts parts{.device = device,
                      .format = to_,
                      .shape = shape,
                      .strides = strides_,
                      .data = nullptr,
                      .memory = nullptr,
                      .stream = options_.stream,
                      .pending = nullptr};
    if (options_.out) {
      parts.data = static_cast<std::byte*>(options_.out->data);
      parts.memory = options_.out->memory;
      parts.owner = options_.out->owner;
    } else {
      parts.memory = backend_of(device).allocate(total_, options_.stream);
      parts.data = parts.memory->data();
    }
    parts_ = &parts;
    if (!walk_.empty()) {
      read_box(walk_.whole());
      touched_.check();
    }
    return make_buffer(std::move(parts));
  }

 private:
  /// Throws for an output that lies in the memory of a dataset in memory, which is read meanwhile.
  void check_apart() const {
    if (!source_.owner) return;
    const Shape shape = walk_.shape();
    const OutputPlace out{options_.out->data, shape, strides_, to_.itemsize()};
    const auto is_apart = [range = out.range()](std::uint32_t, std::int64_t begin,
                                                std::int64_t end) {
      return !range.meets({static_cast<std::uintptr_t>(begin), static_cast<std::uintptr_t>(end)});
    };
    if (!source_.grid.every_piece(is_apart))
      throw Failure(Errc::invalid_argument,
                    "the output overlaps an array of the dataset, which is read from it");
  }
  static std::int64_t count_of_elements(const Shape& shape) {
    std::int64_t count = 1;
    for (const std::int64_t extent : shape) count *= extent;
    return count;
  }

  /// Reads a part of the result, in smaller ones where it is too large or meets several pieces.
  void read_box(const Box& box) {
    for (std::size_t r = 0; r < box.size(); ++r)
      if (walk_.axes()[r].way == Way::cut && read_by_pieces(box, r)) return;
    if (const std::optional<std::size_t> axis = axis_to_split(box)) {
      const std::int64_t extent = box[*axis].extent();
      const auto step = static_cast<std::int64_t>(static_cast<double>(extent) * split_);
      return read_in_steps(box, *axis, std::clamp<std::int64_t>(step, 1, extent - 1));
    }
    if (options_.watch.stop.stop_requested()) throw Failure(Errc::cancelled, "while reading files");
    Places places = walk_.places(box);
    if (source_.window == 0) {
      copy_box(box, touched_.addresses(std::move(places)));
    } else if (lies_as_in_files(box)) {
      window_.read_to(source_, places.offsets, places.files, walk_.leaf(box).extent(),
                      parts_->data + offset_of(box), walk_.places_in_result(box, strides_));
      report(bytes_of(box));
    } else {
      const Range leaf = walk_.leaf(box);
      window_.read(source_, places.offsets, places.files, leaf.begin, leaf.end);
      copy_box(box, window_.addresses());
    }
  }

  /// True if a leaf's bytes are those of the result, in the same order: then they are read there.
  bool lies_as_in_files(const Box& box) const {
    if (!on_host_ || conversion_ || scaling_) return false;
    std::int64_t run = to_.itemsize();
    for (std::size_t r = box.size(); r-- > 0;) {
      const WalkAxis& axis = walk_.axes()[r];
      if (axis.way == Way::pointer || box[r].extent() == 1) continue;
      if (walk_.leaf_stride(axis) != run || strides_[r] != run) return false;
      run *= box[r].extent();
    }
    return true;
  }

  /// Where a box begins in the result, and the bytes that it has there.
  std::int64_t offset_of(const Box& box) const {
    std::int64_t offset = 0;
    for (std::size_t r = 0; r < box.size(); ++r) offset += box[r].begin * strides_[r];
    return offset;
  }
  std::int64_t bytes_of(const Box& box) const {
    std::int64_t bytes = to_.itemsize();
    for (const Range& range : box) bytes *= range.extent();
    return bytes;
  }
  void report(std::int64_t bytes) {
    done_ += bytes;
    if (options_.watch.progress) options_.watch.progress(done_, total_);
  }

  bool read_by_pieces(const Box& box, std::size_t r) {
    if (walk_.piece_at(r, box[r].begin) == walk_.piece_at(r, box[r].end - 1)) return false;
    for (std::int64_t begin = box[r].begin; begin < box[r].end;) {
      const std::int64_t piece = walk_.piece_at(r, begin);
      std::int64_t in = begin;  // the last index that is known to be in the piece
      std::int64_t out = box[r].end;
      while (out - in > 1) {
        const std::int64_t middle = in + (out - in) / 2;
        (walk_.piece_at(r, middle) == piece ? in : out) = middle;
      }
      Box part = box;
      part[r] = {begin, out};
      read_box(part);
      begin = out;
    }
    return true;
  }

  /// The axis along which a box is split because it has too many pointers, or more bytes than the
  /// window; `split_` is then the part of it that may stay.
  std::optional<std::size_t> axis_to_split(const Box& box) {
    const std::int64_t pointers = walk_.pointers(box);
    const Range leaf = walk_.leaf(box);
    const double bytes = static_cast<double>(pointers) * static_cast<double>(leaf.extent());
    split_ = static_cast<double>(most_pointers) / static_cast<double>(pointers);
    if (source_.window > 0) split_ = std::min(split_, static_cast<double>(source_.window) / bytes);
    if (split_ >= 1) return {};
    for (const bool of_pointers : {true, false})
      for (std::size_t r = 0; r < box.size(); ++r)
        if ((walk_.axes()[r].way == Way::pointer) == of_pointers && box[r].extent() > 1 &&
            (of_pointers || pointers == 1))
          return r;
    return {};
  }

  void read_in_steps(const Box& box, std::size_t axis, std::int64_t step) {
    for (std::int64_t begin = box[axis].begin; begin < box[axis].end; begin += step) {
      Box part = box;
      part[axis] = {begin, std::min(begin + step, box[axis].end)};
      read_box(part);
    }
  }

  void copy_box(const Box& box, const std::vector<std::int64_t>& addresses) {
    const Layout layout = layout_of(walk_, box);
    const std::int64_t offset = offset_of(box);
    const std::int64_t bytes = bytes_of(box);
    const bool is_all = bytes == total_;
    const Watch watch{.stop = options_.watch.stop,
                      .progress = is_all && on_host_ ? options_.watch.progress : nullptr};
    if (on_host_) {
      copy_on_host(box, layout, addresses, parts_->data + offset, watch);
    } else {
      copy_to_device(box, layout, addresses, offset, watch);
    }
    if (watch.progress)
      done_ += bytes;  // which the copy has reported
    else
      report(bytes);
  }

  /// The part of the scaled axis that is in a box; nothing where all its numbers are alike.
  std::optional<Range> scaled_range(const Box& box) const {
    if (!scaling_ || !scaling_->axis()) return std::nullopt;
    return box[*scaling_->axis()];
  }

  void copy_on_host(const Box& box, const Layout& layout,
                    const std::vector<std::int64_t>& addresses, std::byte* to, const Watch& watch) {
    CopyPlan plan;
    plan.conversion = conversion_;
    plan.run_bytes = format_.itemsize();
    plan.indexed.origins.assign(layout.origins().begin(), layout.origins().end());
    if (layout.levels() > 0) {
      plan.indexed.tables = {{addresses.data(), true}};
    } else {
      plan.indexed.base = view_of(addresses, format_, layout).base();
    }
    for (std::size_t r = 0; r < layout.axes().size(); ++r) {
      const Axis& axis = layout.axes()[r];
      const bool counts_pointers = axis.level < layout.levels();
      plan.axes.push_back({axis.extent, strides_[r], axis.level,
                           counts_pointers ? axis.stride / pointer_bytes : axis.stride});
    }
    if (scaling_) {
      const std::optional<Range> range = scaled_range(box);
      plan.scaling = scaling_->of_plan(plan.axes.size(), range ? range->begin : 0);
    }
    plan.dense.base = to;
    simplify(plan);
    backend_of(parts_->device).copy(plan, false, {}, {}, watch);
  }

  void copy_to_device(const Box& box, const Layout& layout,
                      const std::vector<std::int64_t>& addresses, std::int64_t offset,
                      const Watch& watch) {
    UploadOptions upload_options;
    upload_options.placement = PlacementKind::packed;
    upload_options.stream = options_.stream;
    upload_options.watch = watch;
    const DeviceArray array =
        upload(view_of(addresses, format_, layout), parts_->device, upload_options);
    GatherOptions copying;
    copying.format = options_.format;
    copying.overflow = options_.overflow;
    copying.scaling = options_.scaling;
    if (const std::optional<Range> range = scaled_range(box))
      copying.scaling = part_of(*options_.scaling, range->begin, range->end);
    copying.stream = options_.stream;
    copying.watch = watch;
    const std::int64_t bytes = options_.out ? options_.out->bytes : total_;
    copying.out = Output{parts_->data + offset, bytes - offset, MemorySpace::device, strides_,
                         parts_->memory,        parts_->owner};
    const DeviceBuffer part = copy(array, copying);
    // In memory that is not the library's, nobody else knows when it is written.
    if (!parts_->memory) wait_for(part);
  }

  /// Waits, and tries once more after a failure: nothing may write to the caller's memory then.
  static void wait_for(const DeviceBuffer& part) {
    try {
      part.synchronize();
    } catch (...) {
      try {
        part.synchronize();
      } catch (const std::exception&) {
        // The first failure is the one that is told.
      }
      throw;
    }
  }

  const DatasetSource& source_;
  const Format& format_;
  Format to_;
  const ReadOptions& options_;
  Walk walk_;
  Touched touched_;
  Window window_;
  std::optional<Conversion> conversion_;
  std::optional<ReadyScaling> scaling_;
  Shape strides_;
  bool on_host_ = true;
  std::int64_t total_ = 0;  ///< bytes of the result
  std::int64_t done_ = 0;
  double split_ = 1;
  BufferParts* parts_ = nullptr;
};

}  // namespace

DeviceBuffer read(const DatasetSource& source, const Format& format, const Layout& layout,
                  const Selection& selection, const ReadOptions& options) {
  return Reader(source, format, layout, selection, options).read();
}

ArrayView MappedTable::view(const Format& format) const {
  return view_of(addresses, format, layout);
}

std::optional<MappedTable> map_whole(const DatasetSource& source, const Format& format,
                                     const Layout& layout) {
  if (source.window > 0) return {};
  Walk walk(source.grid, format, layout, {});
  if (walk.empty()) return {};
  walk.use_pointers_alone();
  const Box box = walk.whole();
  const std::int64_t pointers = walk.pointers(box);
  // A table that is as large as what it leads to is no help.
  constexpr Threshold few{4096, 0};
  if (pointers > few && walk.leaf(box).extent() <= pointer_bytes) return {};
  Touched touched(source);
  MappedTable table;
  table.addresses = touched.addresses(walk.places(box));
  table.layout = layout_of(walk, box);
  touched.check();
  return table;
}

}  // namespace multibuffer
