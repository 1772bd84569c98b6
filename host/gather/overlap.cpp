#include "host/gather/overlap.hpp"

#include <multibuffer/error.hpp>

#include "host/support/text.hpp"
#include "host/upload/internals.hpp"
#include "host/upload/storage.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

// Two steps, since exact answers take time and are seldom needed: the range that the output spans
// against the ranges of the leaves, then, where these meet, byte by byte. The columns of a matrix
// span each other and share nothing.

namespace multibuffer {
namespace {

std::uintptr_t number_of(const void* address) { return reinterpret_cast<std::uintptr_t>(address); }

/// Axes whose strides are bytes, and what lies at each index: the elements of a leaf or an output.
struct Block {
  struct Axis {
    std::int64_t extent, stride;
  };
  std::vector<Axis> axes;
  std::int64_t itemsize = 1;

  AddressRange around(std::uintptr_t start) const {
    std::int64_t below = 0, above = itemsize;
    for (const Axis& axis : axes) {
      if (axis.extent == 0) return {};
      (axis.stride < 0 ? below : above) += axis.stride * (axis.extent - 1);
    }
    return {start + static_cast<std::uintptr_t>(below), start + static_cast<std::uintptr_t>(above)};
  }

  /// Calls `visit` with the address of each element until it returns true; returns whether it did.
  template <class Visit>
  bool any(std::uintptr_t start, const Visit& visit, std::size_t axis = 0) const {
    if (axis == axes.size()) return visit(start);
    const std::int64_t extent =
        axes[axis].stride == 0 ? std::min<std::int64_t>(axes[axis].extent, 1) : axes[axis].extent;
    for (std::int64_t i = 0; i < extent; ++i)
      if (any(start + static_cast<std::uintptr_t>(axes[axis].stride * i), visit, axis + 1))
        return true;
    return false;
  }
};

Block block_of(const OutputPlace& out) {
  Block block{{}, out.itemsize};
  for (std::size_t i = 0; i < out.shape.size(); ++i)
    block.axes.push_back({out.shape[i], out.strides[i]});
  return block;
}

/// Returns the block that lies behind the last pointer.
Block leaf_of(const Layout& layout, std::int64_t itemsize) {
  Block block{{}, itemsize};
  for (const Axis& axis : layout.axes())
    if (axis.level == layout.levels()) block.axes.push_back({axis.extent, axis.stride});
  return block;
}

/// The bytes of an output, each of which is in it or not.
class OutputBytes {
 public:
  explicit OutputBytes(const OutputPlace& out) : range_(out.range()), block_(block_of(out)) {
    first_ = number_of(out.data);
  }

  /// Returns true if a leaf that begins at `start` has one of them.
  bool meet(const Block& leaf, std::uintptr_t start) {
    if (!leaf.around(start).meets(range_)) return false;
    mark();
    return leaf.any(start, [&](std::uintptr_t element) {
      const auto size = static_cast<std::uintptr_t>(leaf.itemsize);
      const std::uintptr_t begin = std::max(element, range_.begin);
      const std::uintptr_t end = std::min(element + size, range_.end);
      for (std::uintptr_t at = begin; at < end; ++at)
        if (has_[at - range_.begin]) return true;
      return false;
    });
  }

 private:
  void mark() {
    if (!has_.empty()) return;
    has_.resize(range_.end - range_.begin);
    block_.any(first_, [&](std::uintptr_t element) {
      for (std::int64_t i = 0; i < block_.itemsize; ++i)
        has_[element - range_.begin + static_cast<std::uintptr_t>(i)] = true;
      return false;
    });
  }

  AddressRange range_;
  Block block_;
  std::uintptr_t first_ = 0;
  std::vector<bool> has_;
};

/// Calls `visit` with where each leaf begins, until it returns true; returns whether it did.
/// `follow(level, position)` is the entry there, in terms of the next level.
template <class Follow, class Visit>
class Leaves {
 public:
  Leaves(const Layout& layout, const Follow& follow, const Visit& visit)
      : layout_(layout), follow_(follow), visit_(visit) {}
  bool any() const { return along(0, 0, layout_.origins()[0]); }

 private:
  bool along(int level, std::size_t axis, std::int64_t position) const {
    if (level == layout_.levels()) return visit_(static_cast<std::uintptr_t>(position));
    while (axis < layout_.axes().size() && layout_.axes()[axis].level != level) ++axis;
    if (axis == layout_.axes().size()) {
      const auto next = static_cast<std::size_t>(level) + 1;
      return along(level + 1, 0, follow_(level, position) + layout_.origins()[next]);
    }
    for (std::int64_t i = 0; i < layout_.axes()[axis].extent; ++i)
      if (along(level, axis + 1, position + i * layout_.axes()[axis].stride)) return true;
    return false;
  }

  const Layout& layout_;
  const Follow& follow_;
  const Visit& visit_;
};

template <class Follow, class Visit>
bool any_leaf(const Layout& layout, const Follow& follow, const Visit& visit) {
  return Leaves(layout, follow, visit).any();
}

[[noreturn]] void refuse() {
  throw Failure(
      Errc::invalid_argument,
      "the output overlaps the array, which is read in place: some elements would be read "
      "after they have been written");
}

/// The entries of an array in place: those of the last level are addresses.
std::int64_t entry(const Storage& storage, int level, std::int64_t position) {
  const auto at = static_cast<std::size_t>(level);
  const PlanTable& table = storage.tables[at];
  const std::int64_t value = table.wide ? static_cast<const std::int64_t*>(table.data)[position]
                                        : static_cast<const std::uint32_t*>(table.data)[position];
  return at + 1 == storage.tables.size() ? value * storage.unit : value;
}

}  // namespace

AddressRange OutputPlace::range() const {
  std::int64_t bytes = itemsize;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) return {};
    bytes += strides[i] * (shape[i] - 1);
  }
  return {number_of(data), number_of(data) + static_cast<std::uintptr_t>(bytes)};
}

void check_apart(const DeviceArray& array, const OutputPlace& out) {
  const Storage& storage = *storage_of(array);
  const Layout& whole = storage.layout;
  if (array.layout().empty()) return;
  if (storage.through) {
    const DeviceBuffer& table = storage.through->table;
    Block entries{{}, table.format().itemsize()};
    for (std::size_t i = 0; i < table.shape().size(); ++i)
      entries.axes.push_back({table.shape()[i], table.strides()[i]});
    if (OutputBytes(out).meet(entries, number_of(table.data())))
      throw Failure(Errc::invalid_argument,
                    "the output overlaps the table that an axis goes through: some entries would "
                    "be read after they have been written over");
    // Its entries may lead to any index of the axis, and to others by then.
    return check_apart(storage.through->before, out);
  }
  const AddressRange range = out.range();
  if (storage.placement != PlacementKind::in_place) {
    // Copied leaves are in blocks of the library, which gives them away read-only (`as_buffer`),
    // which not every consumer heeds.
    const auto refuse_within = [&](const Memory& block) {
      const std::uintptr_t begin = number_of(block.data());
      if (range.meets({begin, begin + static_cast<std::uintptr_t>(block.bytes())})) refuse();
    };
    refuse_within(*storage.memory);
    for (const std::shared_ptr<Memory>& arena : storage.arenas) refuse_within(*arena);
    return;
  }
  if (range.begin == range.end || storage.clear.has(range)) return;
  if (!storage.memory) {  // the exporter's own table is followed, as `array_by_pointers` has it
    const std::uintptr_t begin = number_of(storage.tables[0].data);
    const auto bytes = static_cast<std::uintptr_t>(storage.table_entries[0]) * sizeof(void*);
    if (range.meets({begin, begin + bytes}))
      throw Failure(Errc::invalid_argument,
                    "the output overlaps the pointer table: some pointers would be followed after "
                    "they have been written over");
  }
  const bool on_host = array.device().kind() == DeviceKind::host;
  if (whole.levels() > 0 && !on_host) return;
  const auto follow = [&](int level, std::int64_t position) {
    return entry(storage, level, position);
  };
  const Block all = leaf_of(whole, storage.format.itemsize());
  const auto is_near = [&](std::uintptr_t leaf) { return all.around(leaf).meets(range); };
  if (!any_leaf(whole, follow, is_near)) return storage.clear.add(range);
  OutputBytes bytes(out);
  const Block leaf = leaf_of(array.layout(), array.itemsize());
  const auto meets = [&](std::uintptr_t start) { return bytes.meet(leaf, start); };
  if (any_leaf(array.layout(), follow, meets)) refuse();
}

void check_apart(const ArrayView& view, const OutputPlace& out) {
  if (view.layout().empty() || out.range().begin == out.range().end) return;
  const auto base = static_cast<std::int64_t>(number_of(view.base()));
  OutputBytes bytes(out);
  const Block pointer_block{{}, sizeof(void*)};
  const auto follow = [&](int level, std::int64_t position) {
    const auto at = static_cast<std::uintptr_t>(level == 0 ? position + base : position);
    if (bytes.meet(pointer_block, at)) refuse();
    std::uintptr_t pointer = 0;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an address found in a table
    std::memcpy(&pointer, reinterpret_cast<const void*>(at), sizeof pointer);
    return static_cast<std::int64_t>(pointer);
  };
  const Block leaf = leaf_of(view.layout(), view.itemsize());
  const bool is_direct = view.layout().levels() == 0;
  const auto meets = [&](std::uintptr_t start) {
    return bytes.meet(leaf, is_direct ? start + static_cast<std::uintptr_t>(base) : start);
  };
  if (any_leaf(view.layout(), follow, meets)) refuse();
}

}  // namespace multibuffer
