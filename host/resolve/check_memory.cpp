#include "host/resolve/check_memory.hpp"

#include <multibuffer/error.hpp>
#include <multibuffer/watch.hpp>

#include "host/resolve/slots.hpp"
#include "host/support/threshold.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

namespace multibuffer {
namespace {

/// So many steps of a search take long enough for a stop request to be heard between them.
constexpr Threshold between_looks{1 << 16, 1};

// Addresses and distances in 128 bits, in which nothing that a hostile exporter says overflows.
__extension__ using Wide = __int128;

/// Looks for the first index of a table or a leaf whose bytes cannot be read.
class Search {
 public:
  Search(ReadableMemory& memory, std::vector<MovingAxis> axes, std::int64_t bytes,
         const Watch& watch)
      : memory_(memory), watch_(watch), axes_(std::move(axes)), index_(axes_.size()) {
    // Farther steps first: those of nearer axes then mostly lie within one range.
    std::ranges::sort(axes_, std::greater{}, &MovingAxis::magnitude);
    hulls_.resize(axes_.size() + 1);
    hulls_.back() = {0, bytes};
    for (std::size_t i = axes_.size(); i-- > 0;) {
      hulls_[i] = hulls_[i + 1];
      (axes_[i].stride < 0 ? hulls_[i].below : hulls_[i].above) += axes_[i].reach();
    }
  }

  /// Whether all that index 0 at `start` leads to can be read.
  bool holds(std::uint64_t start) { return holds(0, start); }
  /// Whether what lies between it can be read, too.
  bool holds_hull(std::uint64_t start) { return range_of(0, start).end != 0; }

  const std::vector<MovingAxis>& axes() const { return axes_; }
  /// After `holds` was false: the index along each axis, and the address that it leads to.
  const std::vector<std::int64_t>& index() const { return index_; }
  std::uint64_t address() const { return static_cast<std::uint64_t>(address_); }

 private:
  struct Hull {  ///< bytes before and behind index 0
    Wide below = 0, above = 0;
  };

  /// The range that all of the hull lies in; an empty one if none does.
  AddressRange range_of(std::size_t depth, Wide at) {
    const Wide low = at - hulls_[depth].below, high = at + hulls_[depth].above;
    if (low < 0 || high > Wide{UINT64_MAX}) return {};
    const AddressRange range =
        memory_.around(static_cast<std::uint64_t>(low), static_cast<std::uint64_t>(high));
    return Wide{range.end} >= high ? range : AddressRange{};
  }

  /// Whether the axes from `depth` on, from `at`, lead to nothing that cannot be read.
  bool holds(std::size_t depth, Wide at) {
    if (range_of(depth, at).end != 0) return true;
    if (depth == axes_.size()) {
      address_ = at;
      return false;
    }
    const MovingAxis& axis = axes_[depth];
    for (std::int64_t i = 0; i < axis.extent; ++i) {
      look_now_and_then();
      const Wide there = at + Wide{i} * axis.stride;
      const AddressRange range = range_of(depth + 1, there);
      if (range.end == 0) {
        if (holds(depth + 1, there)) continue;
        index_[depth] = i;
        return false;
      }
      // As many further steps as stay in this range need not be looked at.
      const Wide room = axis.stride > 0 ? Wide{range.end} - (there + hulls_[depth + 1].above)
                                        : there - hulls_[depth + 1].below - Wide{range.begin};
      const Wide steps = room / axis.magnitude();
      i = static_cast<std::int64_t>(std::min<Wide>(i + steps, axis.extent - 1));
    }
    return true;
  }

  /// An index in memory with many gaps may take long to find.
  void look_now_and_then() {
    if (++steps_ < next_look_) return;
    next_look_ += between_looks;
    if (watch_.stop.stop_requested()) throw Failure(Errc::cancelled, "while checking memory");
  }

  ReadableMemory& memory_;
  const Watch& watch_;
  std::int64_t steps_ = 0;
  std::int64_t next_look_ = between_looks;
  std::vector<MovingAxis> axes_;
  std::vector<Hull> hulls_;  ///< by depth: of the axes from there on
  std::vector<std::int64_t> index_;
  Wide address_ = 0;
};

}  // namespace

void MemoryCheck::check(std::span<const ResolvedLevel> levels, const Sequence& starts,
                        const Watch& watch) {
  const Layout& layout = view_.layout();
  const auto level = static_cast<int>(levels.size());
  const bool leaves = level == layout.levels();
  if (leaves && view_.space() != MemorySpace::host) return;
  const std::int64_t bytes = leaves ? view_.itemsize() : static_cast<std::int64_t>(sizeof(void*));
  Search search(memory_, moving_axes(layout, level), bytes, watch);
  std::int64_t next_look = 0;
  for (std::int64_t i = 0; i < starts.size(); ++i) {
    if (i == next_look) {
      next_look += between_looks;
      if (watch.stop.stop_requested()) throw Failure(Errc::cancelled, "while checking memory");
    }
    const auto start = static_cast<std::uint64_t>(starts[i]);
    if (leaves ? search.holds_hull(start) : search.holds(start)) continue;
    Unreadable where{.start = i, .address = start, .bytes = bytes, .indices = {}};
    where.only_between = search.holds(start);
    if (!where.only_between) where.address = search.address();
    for (std::size_t j = 0; j < search.axes().size(); ++j)
      where.indices.push_back({search.axes()[j].axis, search.index()[j]});
    throw_unreadable(view_, levels, where);
  }
}

}  // namespace multibuffer
