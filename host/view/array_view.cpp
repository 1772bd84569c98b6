#include <multibuffer/array_view.hpp>

#include "host/support/checked.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

namespace multibuffer {
namespace {

/// How far the axes of each level span, and the whole size, must fit in 64 bits: after this check
/// no index arithmetic on the view can overflow.
void check_reach(const Layout& layout, std::int64_t itemsize) {
  if (layout.empty()) return;
  checked_multiply(layout.size(), itemsize, "the size in bytes");
  std::vector<std::int64_t> reach(layout.origins().size(), itemsize);
  for (std::size_t k = 0; k < reach.size(); ++k) {
    const std::int64_t origin = layout.origins()[k];
    if (origin == INT64_MIN)
      throw Failure(Errc::size_overflow,
                    text("the magnitude of the origin of level ", k, " does not fit in 64 bits"));
    reach[k] = checked_add(reach[k], origin < 0 ? -origin : origin, "the reach of a level");
  }
  for (int i = 0; i < layout.ndim(); ++i) {
    const Axis& axis = layout.axes()[static_cast<std::size_t>(i)];
    if (axis.extent == 1) continue;
    const std::string what = text("the reach of axis ", i);
    const std::int64_t stride =
        axis.stride < 0 ? checked_multiply(axis.stride, -1, what) : axis.stride;
    std::int64_t& sum = reach[static_cast<std::size_t>(axis.level)];
    sum = checked_add(sum, checked_multiply(stride, axis.extent - 1, what), what);
  }
}

std::vector<std::int64_t> c_order_strides(std::span<const std::int64_t> shape,
                                          std::int64_t itemsize) {
  std::vector<std::int64_t> strides(shape.size());
  const bool empty = std::ranges::find(shape, 0) != shape.end();
  std::int64_t stride = itemsize;
  for (std::size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    // The strides of an empty array mean nothing, so those that do not fit are no error.
    if (shape[i] > 1 && !__builtin_mul_overflow(stride, shape[i], &stride)) continue;
    if (shape[i] > 1 && !empty)
      throw Failure(Errc::size_overflow,
                    text("the C-order stride before axis ", i, " does not fit in 64 bits"));
  }
  return strides;
}

void check_extents(std::span<const std::int64_t> shape) {
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (shape[i] < 0)
      throw Failure(Errc::invalid_view, text("axis ", i, " has the negative extent ", shape[i]));
}

/// The export's axes, evaluated in the order in which they stand: an indirect axis ends its level.
Layout layout_of(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides,
                 const std::int64_t* suboffsets) {
  std::vector<Axis> axes;
  std::vector<std::int64_t> origins{0};
  int level = 0;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    axes.push_back({shape[i], strides[i], level});
    // The one place where a suboffset's sign is a flag; from here on an origin may be negative.
    if (suboffsets && suboffsets[i] >= 0) {
      origins.push_back(suboffsets[i]);
      ++level;
    }
  }
  return Layout(std::move(axes), std::move(origins));
}

}  // namespace

ArrayView::ArrayView(const void* base, Format format, Layout layout, bool readonly,
                     MemorySpace space)
    : base_(static_cast<const std::byte*>(base)),
      format_(std::move(format)),
      layout_(std::move(layout)),
      readonly_(readonly),
      space_(space) {
  check_reach(layout_, format_.itemsize());
  if (!base_ && !layout_.empty())
    throw Failure(Errc::invalid_view, text("the address is NULL, but the shape ",
                                           tuple_text(layout_.shape()), " has elements"));
}

ArrayView ArrayView::from_export(const BufferExport& source) {
  if (source.ndim < 0 || source.ndim > max_axes)
    throw Failure(Errc::invalid_view,
                  text(source.ndim, " axes; an array has 0 to ", max_axes, " axes"));
  if (source.itemsize < 1)
    throw Failure(Errc::invalid_view, text("the itemsize is ", source.itemsize, ", not positive"));
  const bool indirect =
      source.suboffsets && std::any_of(source.suboffsets, source.suboffsets + source.ndim,
                                       [](std::int64_t suboffset) { return suboffset >= 0; });
  if (indirect && !source.strides) throw Failure(Errc::invalid_view, "suboffsets without strides");

  const auto ndim = static_cast<std::size_t>(source.ndim);
  std::int64_t itemsize = source.itemsize;
  std::vector<std::int64_t> shape;
  if (source.shape) {
    shape.assign(source.shape, source.shape + ndim);
  } else if (source.ndim == 1 && source.len) {
    shape = {*source.len};  // PyBUF_SIMPLE: whatever it is, it is seen as bytes
    itemsize = 1;
  } else if (source.ndim != 0) {
    throw Failure(Errc::invalid_view, text("no shape for ", source.ndim, " axes"));
  }
  check_extents(shape);

  const bool as_bytes = !source.shape && source.ndim == 1;
  std::vector<std::int64_t> strides;
  if (source.strides && !as_bytes) {
    strides.assign(source.strides, source.strides + ndim);
  } else {
    strides = c_order_strides(shape, itemsize);
  }

  Layout layout = layout_of(shape, strides, as_bytes ? nullptr : source.suboffsets);
  const std::int64_t nbytes = checked_multiply(layout.size(), itemsize, "the size in bytes");
  if (source.len && *source.len != nbytes)
    throw Failure(Errc::invalid_view,
                  text("the length is ", *source.len, " bytes, but shape ", tuple_text(shape),
                       " with itemsize ", itemsize, " takes ", nbytes));
  // Without a format the elements are unsigned bytes, as many as the itemsize says.
  const std::string format = !source.format || as_bytes
                                 ? (itemsize == 1 ? "B" : text(itemsize, 's'))
                                 : std::string(source.format);
  return ArrayView(source.buf, Format(format, itemsize), std::move(layout), source.readonly);
}

ArrayView ArrayView::dense(const void* base, std::span<const std::int64_t> shape, Format format,
                           bool readonly, MemorySpace space) {
  check_extents(shape);
  const auto strides = c_order_strides(shape, format.itemsize());
  return ArrayView(base, std::move(format), layout_of(shape, strides, nullptr), readonly, space);
}

}  // namespace multibuffer
