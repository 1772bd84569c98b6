#include "host/explain/viewed.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <utility>

namespace multibuffer {

ViewedIndices::ViewedIndices(std::span<const std::int64_t> shape,
                             std::span<const ViewOperation> operations)
    : axes_of_whole_(shape.size()) {
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < shape.size(); ++i) axes.push_back({shape[i], 1, static_cast<int>(i)});
  layout_ =
      Layout(std::move(axes), std::vector<std::int64_t>(std::max<std::size_t>(shape.size(), 1), 0));
  for (const ViewOperation& operation : operations) layout_ = layout_.apply(operation);
}

std::optional<std::vector<std::int64_t>> ViewedIndices::view_index(
    std::span<const std::int64_t> whole) const {
  if (empty()) return {};
  std::vector<std::int64_t> index(layout_.axes().size(), 0);
  std::vector<std::int64_t> rest(whole.begin(), whole.end());
  for (std::size_t i = 0; i < rest.size(); ++i) rest[i] -= layout_.origins()[i];
  // A reshape may have made several axes of one; the one with the longest steps comes first.
  std::vector<std::size_t> order(index.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto step = [&](std::size_t v) { return std::abs(layout_.axes()[v].stride); };
  std::ranges::stable_sort(order, std::greater{}, step);
  for (const std::size_t v : order) {
    const Axis& axis = layout_.axes()[v];
    if (axis.extent == 1) continue;
    std::int64_t& distance = rest[static_cast<std::size_t>(axis.level)];
    index[v] = distance / axis.stride;
    distance %= axis.stride;
    if (index[v] < 0 || index[v] >= axis.extent) return {};
  }
  if (std::ranges::any_of(rest, [](std::int64_t distance) { return distance != 0; })) return {};
  return index;
}

std::vector<std::int64_t> ViewedIndices::whole_index(std::span<const std::int64_t> view) const {
  std::vector<std::int64_t> index(layout_.origins().begin(), layout_.origins().end());
  for (std::size_t v = 0; v < view.size(); ++v) {
    const Axis& axis = layout_.axes()[v];
    index[static_cast<std::size_t>(axis.level)] += view[v] * axis.stride;
  }
  index.resize(axes_of_whole_);
  return index;
}

}  // namespace multibuffer
