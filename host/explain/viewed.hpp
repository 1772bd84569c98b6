#pragma once

#include <multibuffer/layout.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace multibuffer {

/// Which indices of a whole array a view of it has. The operations are applied to a layout whose
/// axes have a level each: what they leave at a level is where the view begins on that axis, and in
/// which step it goes on.
class ViewedIndices {
 public:
  /// Throws what `Layout::apply` throws.
  ViewedIndices(std::span<const std::int64_t> shape, std::span<const ViewOperation> operations);

  /// The view's index of an element of the whole array; nothing for what the view leaves out.
  std::optional<std::vector<std::int64_t>> view_index(std::span<const std::int64_t> whole) const;
  std::vector<std::int64_t> whole_index(std::span<const std::int64_t> view) const;
  bool empty() const noexcept { return layout_.empty(); }

 private:
  Layout layout_;
  std::size_t axes_of_whole_;  ///< the layout of an array without axes has a level, too
};

}  // namespace multibuffer
