#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/stack.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace multibuffer::cli {

/// What --take and --axis say: an index array along one axis.
struct Take {
  int axis = 0;
  std::vector<std::int64_t> indices;
  std::vector<std::int64_t> shape;  ///< of the index array
};

/// `source` is a list ("3, 1, 0:100:7") or the name of a .npy file of integers; `shape` is that of
/// the array to take from. Throws `invalid_argument` or `index_out_of_range`, with the position and
/// the axis, or what the file throws.
Take read_take(const std::string& source, int axis, std::span<const std::int64_t> shape);

/// The shape after taking from an array of `shape`.
std::vector<std::int64_t> shape_after(const Take& take, std::span<const std::int64_t> shape);

/// A smaller array to take from, and the indices into it.
struct Narrowed {
  std::optional<Stack> table;  ///< what the view may look through
  ArrayView view;
  Take take;
};

/// Less of `view` for the same result, for a view whose memory has to travel.
Narrowed narrow(const ArrayView& view, const Take& take);

}  // namespace multibuffer::cli
