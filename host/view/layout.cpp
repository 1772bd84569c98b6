#include <multibuffer/error.hpp>
#include <multibuffer/layout.hpp>

#include "host/support/checked.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <utility>

namespace multibuffer {
namespace {

/// A slice with its bounds worked out for one extent.
struct Range {
  std::int64_t start = 0;
  std::int64_t step = 1;
  std::int64_t count = 0;
};

/// Python's rules (PySlice_AdjustIndices), without overflow for any bounds and steps.
Range range_of(const Slice& slice, std::int64_t extent) {
  const std::int64_t step = slice.step;
  const std::int64_t lowest = step > 0 ? 0 : -1;  // where an ascending or descending walk may stand
  const std::int64_t highest = step > 0 ? extent : extent - 1;
  const auto bound = [&](const std::optional<std::int64_t>& given, std::int64_t otherwise) {
    if (!given) return otherwise;
    return std::clamp(*given < 0 ? *given + extent : *given, lowest, highest);
  };
  const std::int64_t start = bound(slice.start, step > 0 ? lowest : highest);
  const std::int64_t stop = bound(slice.stop, step > 0 ? highest : lowest);

  Range range{start, step, 0};
  const std::int64_t distance = step > 0 ? stop - start : start - stop;
  if (distance > 0) {
    // The magnitude of the most negative step only fits unsigned.
    const auto magnitude = step > 0 ? static_cast<std::uint64_t>(step)
                                    : std::uint64_t{0} - static_cast<std::uint64_t>(step);
    range.count =
        static_cast<std::int64_t>(static_cast<std::uint64_t>(distance - 1) / magnitude) + 1;
  }
  return range;
}

/// Moves an origin to another index. The numbers of an array fit; those of a layout by itself are
/// anybody's.
void move(std::int64_t& origin, std::int64_t index, std::int64_t stride) {
  constexpr auto what = "the position of an element";
  origin = checked_add(origin, checked_multiply(index, stride, what), what);
}

}  // namespace

int normalize_axis(int axis, int ndim) {
  if (axis < -ndim || axis >= ndim)
    throw Failure(Errc::invalid_argument, text("axis ", axis, " of an array with ", ndim, " axes"));
  return axis < 0 ? axis + ndim : axis;
}

Layout::Layout(std::vector<Axis> axes, std::vector<std::int64_t> origins)
    : axes_(std::move(axes)), origins_(std::move(origins)) {
  if (origins_.empty()) throw Failure(Errc::invalid_view, "a layout needs at least one origin");
  if (axes_.size() > static_cast<std::size_t>(max_axes))
    throw Failure(Errc::invalid_argument,
                  text(axes_.size(), " axes; an array has at most ", max_axes, " axes"));
  for (std::size_t i = 0; i < axes_.size(); ++i) {
    if (axes_[i].extent < 0)
      throw Failure(Errc::invalid_view,
                    text("axis ", i, " has the negative extent ", axes_[i].extent));
    if (axes_[i].level < 0 || axes_[i].level > levels())
      throw Failure(Errc::invalid_view,
                    text("axis ", i, " is in level ", axes_[i].level, " of ", levels()));
  }
}

std::vector<std::int64_t> Layout::shape() const {
  std::vector<std::int64_t> shape;
  shape.reserve(axes_.size());
  for (const Axis& axis : axes_) shape.push_back(axis.extent);
  return shape;
}

std::int64_t Layout::size() const {
  if (empty()) return 0;
  std::int64_t size = 1;
  for (const Axis& axis : axes_)
    size = checked_multiply(size, axis.extent, "the number of elements");
  return size;
}

bool Layout::empty() const noexcept {
  return std::ranges::any_of(axes_, [](const Axis& axis) { return axis.extent == 0; });
}

Layout Layout::slice(int axis, const Slice& slice) const {
  const auto at = static_cast<std::size_t>(normalize_axis(axis, ndim()));
  if (slice.step == 0)
    throw Failure(Errc::invalid_argument, text("the slice of axis ", at, " has step 0"));
  Layout result = *this;
  Axis& sliced = result.axes_[at];
  const Range range = range_of(slice, sliced.extent);
  // Where nothing moves along a stride (no element, or a single one), start and step may be
  // anything: leaving the numbers alone keeps them within what was validated.
  if (range.count > 0 && !empty()) {
    move(result.origins_[static_cast<std::size_t>(sliced.level)], range.start, sliced.stride);
    if (range.count > 1)
      sliced.stride = checked_multiply(sliced.stride, range.step, "the stride of a slice");
  }
  sliced.extent = range.count;
  return result;
}

Layout Layout::index(int axis, std::int64_t index) const {
  const auto at = static_cast<std::size_t>(normalize_axis(axis, ndim()));
  const Axis removed = axes_[at];
  if (index < -removed.extent || index >= removed.extent)
    throw Failure(Errc::index_out_of_range,
                  text("index ", index, " on axis ", at, ", whose extent is ", removed.extent));
  Layout result = *this;
  if (!empty())  // else the numbers were never validated, and mean nothing
    move(result.origins_[static_cast<std::size_t>(removed.level)],
         index < 0 ? index + removed.extent : index, removed.stride);
  result.axes_.erase(result.axes_.begin() + static_cast<std::ptrdiff_t>(at));
  return result;
}

Layout Layout::permute(std::span<const int> axes) const {
  Layout result = *this;
  std::array<bool, max_axes> seen{};
  const auto refuse = [&] {
    throw Failure(Errc::invalid_argument,
                  text(tuple_text(axes), " is no permutation of ", ndim(), " axes"));
  };
  if (axes.size() != axes_.size()) refuse();
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const auto from = static_cast<std::size_t>(normalize_axis(axes[i], ndim()));
    if (std::exchange(seen[from], true)) refuse();
    result.axes_[i] = axes_[from];
  }
  return result;
}

Layout Layout::transpose() const {
  Layout result = *this;
  std::ranges::reverse(result.axes_);
  return result;
}

Layout Layout::insert_axis(int axis) const {
  const int at = normalize_axis(axis, ndim() + 1);
  std::vector<Axis> axes = axes_;
  axes.insert(axes.begin() + at, Axis{1, 0, levels()});
  return Layout(std::move(axes), origins_);
}

std::optional<Layout> Layout::reshape(std::span<const std::int64_t> shape) const {
  std::vector<Axis> wanted;
  for (const std::int64_t extent : shape) wanted.push_back({extent, 0, levels()});
  Layout result(std::move(wanted), origins_);
  if (result.size() != size())
    throw Failure(Errc::invalid_argument, text("shape ", tuple_text(shape), " has ", result.size(),
                                               " elements; the array has ", size()));
  if (empty()) return result;

  // Axes of extent 1 say nothing: they match no old axis, and their strides stay 0.
  std::vector<Axis> old;
  std::ranges::copy_if(axes_, std::back_inserter(old),
                       [](const Axis& axis) { return axis.extent != 1; });
  std::vector<Axis*> made;
  for (Axis& axis : result.axes_)
    if (axis.extent != 1) made.push_back(&axis);

  // Runs of old and of new axes with equal products correspond.
  for (std::size_t o = 0, m = 0; o < old.size();) {
    const std::size_t first_old = o, first_made = m;
    std::int64_t old_size = old[o++].extent, made_size = made[m++]->extent;
    while (old_size != made_size) {
      if (old_size < made_size)
        old_size *= old[o++].extent;
      else
        made_size *= made[m++]->extent;
    }
    for (std::size_t i = first_old; i + 1 < o; ++i) {
      const Axis& inner = old[i + 1];
      std::int64_t all = 0;
      if (__builtin_mul_overflow(inner.stride, inner.extent, &all)) return {};
      if (old[i].level != inner.level || old[i].stride != all) return {};
    }
    std::int64_t stride = old[o - 1].stride;
    for (std::size_t i = m; i-- > first_made;) {
      made[i]->stride = stride;
      made[i]->level = old[o - 1].level;
      if (i > first_made)
        stride = checked_multiply(stride, made[i]->extent, "the stride of an axis");
    }
  }
  return result;
}

Layout Layout::apply(const ViewOperation& operation) const {
  struct Visitor {
    const Layout& layout;
    Layout operator()(const SliceAxis& op) const { return layout.slice(op.axis, op.slice); }
    Layout operator()(const IndexAxis& op) const { return layout.index(op.axis, op.index); }
    Layout operator()(const Permute& op) const { return layout.permute(op.axes); }
    Layout operator()(const InsertAxis& op) const { return layout.insert_axis(op.axis); }
    Layout operator()(const Reshape& op) const {
      if (auto view = layout.reshape(op.shape)) return *std::move(view);
      throw Failure(Errc::invalid_argument, text("an array of shape ", tuple_text(layout.shape()),
                                                 " has no view of shape ", tuple_text(op.shape)));
    }
  };
  return std::visit(Visitor{*this}, operation);
}

Layout Layout::inside_elements(std::int64_t itemsize, std::int64_t offset, std::int64_t bytes,
                               std::span<const Axis> axes) const {
  std::int64_t low = offset, high = checked_add(offset, bytes, "a part of an element");
  std::vector<Axis> all = axes_;
  bool no_parts = false;
  for (Axis axis : axes) {
    axis.level = levels();
    all.push_back(axis);
    no_parts = no_parts || axis.extent == 0;
    if (axis.extent <= 1) continue;
    const std::int64_t reach = checked_multiply(axis.stride, axis.extent - 1, "a part's reach");
    std::int64_t& end = reach < 0 ? low : high;
    end = checked_add(end, reach, "a part's reach");
  }
  if (!no_parts && (low < 0 || high > itemsize))
    throw Failure(Errc::invalid_argument,
                  text("bytes ", low, " to ", high, " of elements that have ", itemsize));
  std::vector<std::int64_t> origins = origins_;
  // Without elements the numbers mean nothing, and were never validated.
  if (!empty() && !no_parts)
    origins.back() = checked_add(origins.back(), offset, "the origin of a part");
  return Layout(std::move(all), std::move(origins));
}

}  // namespace multibuffer
