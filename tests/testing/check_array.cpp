#include "tests/testing/check_array.hpp"

#include <multibuffer/multibuffer.hpp>

#include "host/support/text.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace multibuffer::testing {
namespace {

using Operations = std::vector<ViewOperation>;
using Numbers = std::vector<std::int64_t>;

// ---------------------------------------------------------------------------------------------
// Failures

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class... Parts>
void require(bool holds, const Parts&... parts) {
  if (!holds) throw Failure(text(parts...));
}

// ---------------------------------------------------------------------------------------------
// The rules of Layout and Placement, element by element

/// The position of every element, in C order: `follow(level, position)` leads through a level.
template <class Follow>
Numbers positions(const Layout& layout, std::int64_t base, Follow follow) {
  Numbers result;
  if (layout.empty()) return result;
  const auto axes = layout.axes();
  Numbers index(axes.size(), 0);
  Numbers sums(layout.origins().size());
  for (;;) {
    sums.assign(layout.origins().begin(), layout.origins().end());
    for (std::size_t i = 0; i < axes.size(); ++i) {
      if (index[i] != 0) sums[static_cast<std::size_t>(axes[i].level)] += index[i] * axes[i].stride;
    }
    std::int64_t position = base + sums[0];
    for (std::size_t level = 1; level < sums.size(); ++level) {
      position = follow(level - 1, position) + sums[level];
    }
    result.push_back(position);

    std::size_t axis = axes.size();
    while (axis > 0 && ++index[axis - 1] == axes[axis - 1].extent) index[--axis] = 0;
    if (axis == 0) return result;
  }
}

std::int64_t address_of(const void* pointer) {
  return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(pointer));
}

Numbers addresses_of(const reference::Addresses& expected) {
  Numbers result;
  for (const std::byte* element : expected.elements) result.push_back(address_of(element));
  return result;
}

/// Where a view's elements are, and the table slots that lead to them.
struct Walk {
  Numbers elements;
  std::vector<const std::byte*> slots;
};

Walk walk(const ArrayView& view) {
  Walk result;
  result.elements =
      positions(view.layout(), address_of(view.base()), [&](std::size_t, std::int64_t position) {
        // NOLINTNEXTLINE(performance-no-int-to-ptr)
        const auto* slot = reinterpret_cast<const std::byte*>(position);
        result.slots.push_back(slot);
        std::int64_t target = 0;
        std::memcpy(&target, slot, sizeof target);
        return target;
      });
  return result;
}

/// The source address of the element at `offset` in the arena, all of which came from one run.
/// Segments are in order, as `check_segments` says, and may be as many as elements.
std::int64_t source_of(const Placement& placement, std::int64_t offset) {
  const auto after =
      std::ranges::upper_bound(placement.segments, offset, std::less{}, &Segment::offset);
  require(after != placement.segments.begin(), "no segment holds offset ", offset);
  const Segment segment = *(after - 1);
  const std::int64_t at = offset - segment.offset;
  require(at < segment.bytes, "no segment holds offset ", offset);
  require(at + placement.format.itemsize() <= segment.bytes,
          "an element ends outside of its segment");
  if (placement.packing.empty()) return address_of(segment.source) + at;

  require(at % placement.run_bytes + placement.format.itemsize() <= placement.run_bytes,
          "an element is torn apart");
  std::int64_t source = address_of(segment.source) + at % placement.run_bytes;
  std::int64_t run = at / placement.run_bytes;
  for (std::size_t i = placement.packing.size(); i-- > 0;) {
    source += run % placement.packing[i].extent * placement.packing[i].stride;
    run /= placement.packing[i].extent;
  }
  require(run == 0, "a segment is longer than its packing");
  return source;
}

Numbers placed_addresses(const Placement& placement, const Layout& layout) {
  const std::size_t levels = placement.tables.size();
  Numbers result = positions(layout, 0, [&](std::size_t level, std::int64_t position) {
    const auto entry = std::visit(
        [&](const auto& table) {
          require(position >= 0 && position < static_cast<std::int64_t>(table.size()), "position ",
                  position, " of a table of ", table.size());
          return static_cast<std::int64_t>(table[static_cast<std::size_t>(position)]);
        },
        placement.tables[level]);
    return level + 1 == levels ? entry * placement.unit : entry;
  });
  if (placement.kind != PlacementKind::in_place) {
    for (std::int64_t& position : result) position = source_of(placement, position);
  }
  return result;
}

// ---------------------------------------------------------------------------------------------
// One array through the pipeline

std::string describe(const Route& route) {
  constexpr const char* kinds[] = {"automatic", "packed", "preserved", "in place"};
  return text(kinds[static_cast<int>(route.kind)], route.simplify.flatten ? ", flatten" : "",
              route.simplify.duplicate ? ", duplicate" : "",
              route.simplify.narrow ? ", narrow" : "");
}

void check_segments(const Placement& placement) {
  std::int64_t end = 0;
  std::int64_t packed = placement.run_bytes;
  for (const PackAxis& axis : placement.packing) packed *= axis.extent;
  for (const Segment& segment : placement.segments) {
    require(segment.bytes > 0, "an empty segment");
    if (placement.kind == PlacementKind::in_place) continue;
    require(segment.offset >= end, "segments overlap or are out of order");
    end = segment.offset + segment.bytes;
    if (!placement.packing.empty()) require(segment.bytes == packed, "a segment of another size");
    if (placement.kind == PlacementKind::preserved) {
      require((address_of(segment.source) - segment.offset) % 256 == 0, "address mod 256 changed");
    }
  }
  require(end <= placement.arena_bytes, "segments end outside of the arena");
}

Numbers dense_strides(const Numbers& shape, std::int64_t itemsize, Order order) {
  Numbers strides(shape.size());
  std::int64_t stride = itemsize;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::size_t axis = order == Order::F ? i : shape.size() - 1 - i;
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/// Strides for a result that nobody would choose: any order of the axes, with gaps.
Numbers gappy_strides(Random& random, const Numbers& shape, std::int64_t itemsize) {
  std::vector<std::size_t> order(shape.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  random.shuffle(order);
  Numbers strides(shape.size());
  std::int64_t stride = itemsize;
  for (const std::size_t axis : order) {
    stride += random.pick<std::int64_t>({0, 0, 1, itemsize, 5});
    strides[axis] = stride;
    stride *= std::max<std::int64_t>(shape[axis], 1);
  }
  return strides;
}

/// The caller's memory for a result. All of it, and some on either side, is filled with a pattern,
/// which must still be there wherever no element is.
class PatternedOutput {
 public:
  PatternedOutput(const Numbers& shape, Numbers strides, std::int64_t itemsize)
      : strides_(std::move(strides)), itemsize_(static_cast<std::size_t>(itemsize)) {
    std::vector<Axis> axes;
    for (std::size_t i = 0; i < shape.size(); ++i) axes.push_back({shape[i], strides_[i], 0});
    offsets_ =
        positions(Layout(axes, {margin}), 0, [](std::size_t, std::int64_t at) { return at; });
    const std::int64_t end = offsets_.empty() ? margin : std::ranges::max(offsets_) + itemsize;
    memory_.assign(static_cast<std::size_t>(end + margin), pattern);
  }

  Output output() {
    return {memory_.data() + margin, static_cast<std::int64_t>(memory_.size()) - 2 * margin,
            MemorySpace::host, strides_};
  }
  /// Whether the elements are `expected`, and all else is as it was.
  bool holds(const std::vector<std::byte>& expected) const {
    std::vector<std::byte> whole(memory_.size(), pattern);
    for (std::size_t i = 0; i < offsets_.size(); ++i) {
      std::memcpy(whole.data() + offsets_[i], expected.data() + i * itemsize_, itemsize_);
    }
    return memory_ == whole;
  }

 private:
  static constexpr std::int64_t margin = 72;
  static constexpr std::byte pattern{0xa5};
  Numbers strides_;
  std::size_t itemsize_;
  Numbers offsets_;
  std::vector<std::byte> memory_;
};

void check_result(const DeviceBuffer& actual, const reference::Result& expected,
                  const Numbers& strides, const char* what) {
  require(actual.shape() == expected.shape, what, " has shape ", tuple_text(actual.shape()),
          ", not ", tuple_text(expected.shape));
  require(actual.to_host() == expected.bytes, what, " has other bytes");
  if (expected.bytes.empty()) return;
  for (std::size_t i = 0; i < strides.size(); ++i) {
    require(expected.shape[i] == 1 || actual.strides()[i] == strides[i], what, " has strides ",
            tuple_text(actual.strides()), ", not ", tuple_text(strides));
  }
}

/// Runs `request`, half of the times into the caller's own memory, and often with a conversion of
/// the elements; `as_they_are` are those without one.
void check_gather(Random& random, const DeviceArray& array, Request request,
                  const reference::Result& as_they_are, const char* what) {
  const RandomConversion conversion(random, array.format());
  reference::Result expected = as_they_are;
  if (conversion.format) {
    request.format = conversion.format;
    request.overflow = conversion.overflow;
    expected = reference::converted(as_they_are, array.format(), *conversion.format,
                                    {.overflow = conversion.overflow});
  }
  const std::int64_t itemsize =
      conversion.format ? conversion.format->itemsize() : array.itemsize();
  const std::string story = text(what, " ", conversion.describe());
  what = story.c_str();
  request.order = random.pick({Order::C, Order::F});
  Numbers strides = dense_strides(expected.shape, itemsize, request.order);
  if (random.chance(50)) {
    check_result(gather(array, request, request), expected, strides, what);
    return;
  }
  const bool dense = random.chance(50);
  if (!dense) strides = gappy_strides(random, expected.shape, itemsize);
  PatternedOutput memory(expected.shape, strides, itemsize);
  request.out = memory.output();
  if (dense) request.out->strides.clear();
  check_result(gather(array, request, request), expected, strides, what);
  require(memory.holds(expected.bytes), what, " in the caller's memory is not as it should be");
}

/// An array, the operations on it, and what the reference makes of them.
struct Case {
  RandomArray array;
  Operations operations;
  std::size_t early = 0;  ///< operations that come before resolve; the others come after placing
  reference::Addresses expected;
  Numbers addresses;

  Case(Random& random, const ArrayOptions& options)
      : array(random, options),
        operations(random_operations(random, array.shape(), random.between(0, 5))),
        early(static_cast<std::size_t>(random.between(0, static_cast<int>(operations.size())))),
        expected(reference::addresses(array.source(), operations)),
        addresses(addresses_of(expected)) {}

  std::string describe() const {
    return text(array.describe(), "\n  operations ", testing::describe(operations), ", ", early,
                " before resolve\n  result shape ", tuple_text(expected.shape));
  }
};

template <class Array>
Array viewed(Array array, std::span<const ViewOperation> operations) {
  for (const ViewOperation& operation : operations) array = array.apply(operation);
  return array;
}

/// The early operations on the view, which must agree with the reference by itself.
ArrayView check_view(const Case& it) {
  const ArrayView source = ArrayView::from_export(it.array.source());
  const ArrayView view = viewed(source, it.operations);
  require(view.shape() == it.expected.shape, "the view has shape ", tuple_text(view.shape()));
  require(walk(view).elements == it.addresses, "the view's layout leads elsewhere");
  return viewed(source, std::span(it.operations).first(it.early));
}

/// Resolves and places the view that the early operations left, and looks through the others.
Placement check_placement(const Case& it, const ArrayView& early_view, const Route& route) {
  Placement placement = place(resolve(early_view), route.kind, route.simplify);
  require(placement.kind != PlacementKind::automatic, "the placement did not choose");
  check_segments(placement);
  const Layout layout = viewed(placement.layout, std::span(it.operations).subspan(it.early));
  require(layout.shape() == it.expected.shape, "the placed layout has shape ",
          tuple_text(layout.shape()));
  require(placed_addresses(placement, layout) == it.addresses, "placed elements are elsewhere");
  return placement;
}

/// Uploads and reads back, all of it and by a random request.
void check_device(Random& random, const Case& it, const ArrayView& early_view,
                  const Placement& placement, const Route& route) {
  static const Device host = Device::host();
  UploadOptions options;
  options.placement = route.kind;
  options.simplify = route.simplify;
  const DeviceArray uploaded =
      random.chance(50) ? upload(early_view, host, options) : upload(placement, host, options);
  const DeviceArray array = viewed(uploaded, std::span(it.operations).subspan(it.early));
  require(array.shape() == it.expected.shape, "the device array has shape ",
          tuple_text(array.shape()));
  check_gather(random, array, {}, reference::gather(it.array.source(), it.operations), "the copy");

  const RandomRequest request(random, it.expected.shape);
  try {
    check_gather(random, array, request.request(),
                 reference::gather(it.array.source(), it.operations, request.groups(),
                                   {.mode = request.mode()}),
                 "the gather");
  } catch (const std::exception& failure) {
    throw Failure(text(failure.what(), "\n  request ", request.describe()));
  }
}

/// Table slots that the early operations leave out may hold anything.
void check_unreached_slots(Case& it, const ArrayView& early_view, const Route& route) {
  it.array.poison_all_but(walk(early_view).slots);
  check_placement(it, early_view, route);
  it.array.heal();
}

}  // namespace

std::vector<Route> every_route() {
  std::vector<Route> routes;
  for (const PlacementKind kind : {PlacementKind::automatic, PlacementKind::packed,
                                   PlacementKind::preserved, PlacementKind::in_place}) {
    for (int bits = 0; bits < 8; ++bits) {
      routes.push_back({kind, {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0}});
    }
  }
  return routes;
}

std::string check_array(Random& random, const ArrayOptions& options,
                        std::span<const Route> routes) {
  std::string story;
  try {
    Case it(random, options);
    story = it.describe();
    const ArrayView early_view = check_view(it);
    for (const Route& route : routes) {
      const std::string before = story;
      story += "\n  route " + describe(route);
      const Placement placement = check_placement(it, early_view, route);
      check_device(random, it, early_view, placement, route);
      if (random.chance(20)) check_unreached_slots(it, early_view, route);
      story = before;
    }
  } catch (const std::exception& failure) {
    return text(failure.what(), "\n  ", story);
  }
  return {};
}

}  // namespace multibuffer::testing
