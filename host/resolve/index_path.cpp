#include "host/resolve/index_path.hpp"

#include <multibuffer/error.hpp>

#include "host/support/text.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

namespace multibuffer {
namespace {

/// Searches for the indices along `axes` that lead `offset` bytes from index 0.
class IndexSearch {
 public:
  /// Takes its steps out of `patience`, because odd strides over many axes could take for ever.
  IndexSearch(std::span<const MovingAxis> axes, std::int64_t offset, int& patience)
      : axes_(axes), order_(axes.size()), patience_(patience) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::ranges::sort(order_, std::greater{}, [&](std::size_t i) { return axes_[i].magnitude(); });
    for (const MovingAxis& axis : axes_) {
      reach_ += axis.reach();
      if (axis.stride < 0) offset += axis.reach();
    }
    indices_.resize(axes.size());
    found_ = search(0, offset, reach_);
  }
  bool found() const { return found_; }
  std::int64_t index(std::size_t axis) const { return indices_[axis]; }

 private:
  /// Searches the axes from `depth` on, whose reach is `reach`; `rest` is counted from the lowest
  /// slot.
  bool search(std::size_t depth, std::int64_t rest, std::int64_t reach) {
    if (rest < 0 || rest > reach || --patience_ < 0) return false;
    if (depth == order_.size()) return rest == 0;
    const MovingAxis& axis = axes_[order_[depth]];
    const std::int64_t below = reach - axis.reach();
    const std::int64_t most = std::min(axis.extent - 1, rest / axis.magnitude());
    const std::int64_t least = rest > below ? (rest - below - 1) / axis.magnitude() + 1 : 0;
    for (std::int64_t steps = most; steps >= least; --steps) {
      if (!search(depth + 1, rest - steps * axis.magnitude(), below)) continue;
      indices_[order_[depth]] = axis.stride < 0 ? axis.extent - 1 - steps : steps;
      return true;
    }
    return false;
  }

  std::span<const MovingAxis> axes_;
  std::vector<std::size_t> order_;
  std::vector<std::int64_t> indices_;
  std::int64_t reach_ = 0;
  int& patience_;
  bool found_ = false;
};

/// Returns the first slot of `level` whose pointer leads to start `id` of the next level.
const std::byte* slot_leading_to(const ResolvedLevel& level, std::int64_t id) {
  for (const SlotRun& run : level.slots.runs())
    for (std::int64_t i = 0; i < run.count; ++i)
      if (level.ids[run.index + i] == id) return run.address + i * level.slots.step();
  return nullptr;  // not reached: every start was found behind some slot
}

/// Writes the indices that lead to `slot` in the last of `levels` into `path`, from there back to
/// the first level. Returns whether they were found.
bool trace(std::span<const ResolvedLevel> levels, const std::byte* slot, int& patience,
           std::vector<std::optional<std::int64_t>>& path) {
  const Slots& slots = levels.back().slots;
  const auto address = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(slot));
  for (std::int64_t start = 0; start < slots.starts().size(); ++start) {
    const IndexSearch search(slots.axes(), address - slots.starts()[start], patience);
    if (!search.found()) continue;
    for (std::size_t j = 0; j < slots.axes().size(); ++j)
      path[slots.axes()[j].axis] = search.index(j);
    if (levels.size() == 1) return true;
    return trace(levels.first(levels.size() - 1), slot_leading_to(levels[levels.size() - 2], start),
                 patience, path);
  }
  return false;
}

using Path = std::vector<std::optional<std::int64_t>>;

// Steps of all searches for a path. An error message is not worth more.
constexpr int patience_of_all = 10'000'000;

/// Writes a path, of axes up to `level`, as "[1, 2, :] of shape (3, 4, 5)".
std::string path_text(const ArrayView& view, int level, const Path& path) {
  std::string indices;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const Axis& axis = view.layout().axes()[i];
    indices += i == 0 ? "" : ", ";
    // Axes after the pointer have no say in it; an axis that does not move is at 0.
    indices += axis.level > level ? ":" : text(path[i].value_or(0));
  }
  return text('[', indices, "] of shape ", tuple_text(view.shape()));
}

}  // namespace

void throw_null(const ArrayView& view, std::span<const ResolvedLevel> levels,
                const std::byte* slot) {
  const int level = static_cast<int>(levels.size()) - 1;
  Path path(static_cast<std::size_t>(view.ndim()));
  int patience = patience_of_all;
  if (!trace(levels, slot, patience, path))
    throw Failure(Errc::null_pointer, text("level ", level, " of ", view.layout().levels(),
                                           ", in the slot at ", static_cast<const void*>(slot)));
  throw Failure(Errc::null_pointer, text("level ", level, " of ", view.layout().levels(),
                                         " at index ", path_text(view, level, path)));
}

void throw_unreadable(const ArrayView& view, std::span<const ResolvedLevel> levels,
                      const Unreadable& unreadable) {
  const auto level = static_cast<int>(levels.size());
  const bool leaf = level == view.layout().levels();
  Path path(static_cast<std::size_t>(view.ndim()));
  int patience = patience_of_all;
  const bool found =
      levels.empty() ||
      trace(levels, slot_leading_to(levels.back(), unreadable.start), patience, path);
  for (const auto& [axis, index] : unreadable.indices) path[axis] = index;
  const std::string at_index = found ? text(" at index ", path_text(view, level, path)) : "";
  // NOLINTNEXTLINE(performance-no-int-to-ptr): to be shown, not to be read
  const auto* const address = reinterpret_cast<const void*>(unreadable.address);
  if (unreadable.only_between)
    throw Failure(
        Errc::unreadable_memory,
        text("the element", at_index, ", at ", address, ", and those after it along axis ",
             unreadable.indices.at(0).axis, " lie in several blocks of memory"));
  const auto moved =
      std::ranges::find_if(unreadable.indices, [](const AxisIndex& at) { return at.index > 0; });
  throw Failure(
      Errc::unreadable_memory,
      text(leaf ? "the element" : text("the table of level ", level, ','), at_index, " would be ",
           unreadable.bytes, " bytes at ", address,
           moved != unreadable.indices.end() ? text(", where axis ", moved->axis, " leads")
           : levels.empty()                  ? std::string(", which the export begins with")
                                             : std::string(", where the pointer leads")));
}

}  // namespace multibuffer
