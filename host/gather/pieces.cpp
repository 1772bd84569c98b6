#include <multibuffer/error.hpp>
#include <multibuffer/pieces.hpp>
#include <multibuffer/stages/place.hpp>
#include <multibuffer/stages/resolve.hpp>

#include "host/backend/backend.hpp"
#include "host/backend/copy_plan.hpp"
#include "host/gather/boxes.hpp"
#include "host/gather/conversion.hpp"
#include "host/gather/overlap.hpp"
#include "host/gather/scaling.hpp"
#include "host/support/text.hpp"
#include "host/upload/internals.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <deque>
#include <exception>
#include <optional>
#include <utility>

namespace multibuffer {
namespace {

std::int64_t value_at(const std::byte* data, int bytes_each, std::size_t i) {
  std::int32_t narrow = 0;
  std::int64_t wide = 0;
  if (bytes_each == 4) {
    std::memcpy(&narrow, data + i * sizeof narrow, sizeof narrow);
    return narrow;
  }
  std::memcpy(&wide, data + i * sizeof wide, sizeof wide);
  return wide;
}

/// The values as indices of `axis`, wherever they were. Throws `index_out_of_range`.
HostIndices on_host(const Indices& indices, int axis, std::int64_t extent, IndexMode mode) {
  HostIndices result{{}, indices.shape()};
  std::vector<std::byte> fetched;
  const auto* data = static_cast<const std::byte*>(indices.data());
  if (indices.space() == MemorySpace::device) {
    fetched = indices.buffer()->to_host();
    data = fetched.data();
  }
  std::int64_t count = 1;
  for (const std::int64_t n : indices.shape()) count *= n;
  if (count > 0 && extent == 0)
    throw Failure(Errc::index_out_of_range,
                  text(count, " indices for axis ", axis, ", whose extent is 0"));
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t value = value_at(data, indices.bytes_each(), static_cast<std::size_t>(i));
    result.values.push_back(resolve_index(value, extent, mode));
    if (result.values.back() < 0) {
      PlanIndices bad;
      bad.axis = axis;
      bad.extent = extent;
      bad.shape.assign(indices.shape().begin(), indices.shape().end());
      throw_bad_index(bad, i, value);
    }
  }
  return result;
}

Whole whole_of(const ArrayView& view, const Selection& selection, const GatherOptions& options) {
  Whole whole{view, result_of(view.layout(), selection), {}, view.itemsize()};
  if (options.format) whole.result_itemsize = options.format->itemsize();
  for (std::size_t g = 0; g < selection.groups.size(); ++g) {
    std::vector<HostIndices>& group = whole.groups.emplace_back();
    for (std::size_t m = 0; m < selection.groups[g].indices.size(); ++m) {
      const int axis = whole.result.groups[g].axes[m];
      group.push_back(on_host(selection.groups[g].indices[m], axis,
                              view.shape()[static_cast<std::size_t>(axis)], selection.mode));
    }
  }
  return whole;
}

/// Where a box lies in the result.
Output output_of(const Output& out, const Box& box, const Shape& strides) {
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < box.size(); ++i) offset += box[i].begin * strides[i];
  Output result = out;
  result.data = static_cast<std::byte*>(out.data) + offset;
  result.bytes = out.bytes - offset;
  result.strides = strides;
  return result;
}

/// A piece whose gather has been enqueued.
struct UnderWay {
  DeviceArray array;
  DeviceBuffer result;
  Output out;  ///< where the result still has to go, if that is host memory
};

/// Pieces one after the other: the last one is under way while the next is prepared.
class Pieces {
 public:
  Pieces(const Whole& whole, const GatherOptions& options, const Output& out, const Shape& strides,
         const Device& device, std::int64_t limit, std::optional<std::size_t> scaled_axis)
      : whole_(whole),
        options_(options),
        out_(out),
        strides_(strides),
        device_(device),
        limit_(limit),
        scaled_axis_(scaled_axis) {}
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;
  /// After a failure, too, nothing writes to the caller's memory any more.
  ~Pieces() {
    for (const std::optional<UnderWay>* piece : {&under_way_, &next_}) {
      try {
        if (*piece) (*piece)->result.synchronize();
      } catch (const std::exception&) {
        // The first failure is the one that is told.
      }
    }
  }

  void run(const Box& box) {
    const Part part = part_of(whole_, box);
    UploadOptions options;
    options.stream = options_.stream;
    options.watch.stop = options_.watch.stop;
    const Placement placement = place(resolve(part.view, {.watch = options.watch}));
    // The bound was one for leaves without gaps.
    if (const std::int64_t needed = bytes_on_device(placement, box); needed > limit_) {
      const std::vector<Box> smaller = halves(whole_, box);
      if (smaller.empty())
        throw OutOfMemory(text("an element of the result needs ", needed, " bytes on ",
                               device_.name(), ", and ", limit_, " may be used for a piece"));
      for (const Box& half : smaller) run(half);
      return;
    }
    GatherOptions gathered = piece_options(box);
    Output out = output_of(out_, box, strides_);
    const bool stays = out.space == MemorySpace::device;
    if (stays) gathered.out = out;
    DeviceArray array = upload(placement, device_, options);
    DeviceBuffer result = gather(array, selection_of(part), gathered);
    // From here on nothing may throw before the piece is known: it writes the caller's memory.
    next_.emplace(UnderWay{std::move(array), std::move(result), std::move(out)});
    finish();
    under_way_.swap(next_);
  }

  /// Waits for the piece that is under way, and brings it to where it belongs.
  void finish() {
    if (!under_way_) return;
    const UnderWay& piece = *under_way_;
    if (piece.out.space == MemorySpace::host)
      copy_out(piece.result, piece.out, strides_);
    else
      piece.result.synchronize();
    done_ += piece.result.nbytes();
    under_way_.reset();
    if (options_.watch.progress)
      options_.watch.progress(done_, whole_.result_itemsize * elements(whole_box(whole_)));
  }

 private:
  static std::int64_t elements(const Box& box) {
    std::int64_t count = 1;
    for (const Range& range : box) count *= range.size();
    return count;
  }

  std::int64_t bytes_on_device(const Placement& placement, const Box& box) const {
    const BoxBytes bound = bytes_of(whole_, box);
    return placement.arena_bytes + bound.tables + bound.result;
  }

  Selection selection_of(const Part& part) const {
    Selection selection;
    for (std::size_t g = 0; g < part.groups.size(); ++g) {
      IndexGroup group;
      const ReadyGroup& ready = whole_.result.groups[g];
      group.axes.assign(ready.axes.begin(), ready.axes.end());
      group.position = ready.position;
      for (const HostIndices& indices : part.groups[g])
        group.indices.emplace_back(std::span<const std::int64_t>(indices.values), indices.shape);
      selection.groups.push_back(std::move(group));
    }
    return selection;
  }

  GatherOptions piece_options(const Box& box) const {
    GatherOptions options;
    options.format = options_.format;
    options.overflow = options_.overflow;
    options.scaling = options_.scaling;
    if (scaled_axis_) {
      const Range& range = box[*scaled_axis_];
      options.scaling = part_of(*options_.scaling, range.begin, range.end);
    }
    options.stream = options_.stream;
    options.watch.stop = options_.watch.stop;
    return options;
  }

  const Whole& whole_;
  const GatherOptions& options_;
  const Output& out_;
  const Shape& strides_;
  const Device& device_;
  std::int64_t limit_;
  std::optional<std::size_t> scaled_axis_;
  std::int64_t done_ = 0;
  std::optional<UnderWay> under_way_;
  std::optional<UnderWay> next_;  ///< enqueued while the other was under way
};

DeviceBuffer gather_on_host(const ArrayView& view, const Selection& selection,
                            const GatherOptions& options) {
  UploadOptions in_place;
  in_place.placement = PlacementKind::in_place;
  in_place.watch.stop = options.watch.stop;
  return gather(upload(view, Device::host(), in_place), selection, options);
}

}  // namespace

DeviceBuffer gather_in_pieces(const ArrayView& view, const Device& device,
                              const Selection& selection, const PiecesOptions& in_pieces) {
  const GatherOptions& options = in_pieces.gather;
  if (device.kind() == DeviceKind::host) return gather_on_host(view, selection, options);
  conversion_of(view.format(), options);  // or throw
  const Whole whole = whole_of(view, selection, options);
  const Shape shape = whole.result.shape();
  std::optional<std::size_t> scaled_axis;
  if (options.scaling) scaled_axis = ReadyScaling(*options.scaling, shape).axis();
  const Shape dense = dense_strides(shape, whole.result_itemsize, options.order);
  const Shape strides = options.out && !options.out->strides.empty() ? options.out->strides : dense;

  const bool stays = options.out && options.out->space == MemorySpace::device;
  BufferParts parts{.device = stays ? device : Device::host(),
                    .format = options.format.value_or(view.format()),
                    .shape = shape,
                    .strides = strides,
                    .data = nullptr,
                    .memory = nullptr,
                    .stream = stays ? options.stream : StreamRef(),
                    .pending = nullptr};
  Output out;
  if (options.out) {
    check_output(*options.out, shape, strides, whole.result_itemsize);
    if (options.out->space == view.space())
      check_apart(view, {options.out->data, shape, strides, whole.result_itemsize});
    out = *options.out;
    parts.memory = out.memory;
    parts.owner = out.owner;
  } else {
    std::int64_t bytes = whole.result_itemsize;
    for (const std::int64_t extent : shape) bytes *= extent;
    parts.memory = backend_of(Device::host()).allocate(bytes, {});
    out = {parts.memory->data(), bytes, MemorySpace::host, strides, nullptr};
  }
  parts.data = static_cast<std::byte*>(out.data);

  if (std::ranges::find(shape, 0) == shape.end()) {
    const std::int64_t limit = in_pieces.memory_limit > 0
                                   ? in_pieces.memory_limit
                                   : device.info().free_bytes.value() / 10 * 9;
    // Two pieces at a time: one is gathered, one is on its way.
    Pieces pieces(whole, options, out, strides, device, limit / 2, scaled_axis);
    for (const Box& box : cut(whole, limit / 2)) pieces.run(box);
    pieces.finish();
  }
  return make_buffer(std::move(parts));
}

}  // namespace multibuffer
