#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/stack.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace multibuffer::cli {

/// The index array of --take, and the axis of --axis that it indexes.
struct Take {
  int axis = 0;
  std::vector<std::int64_t> indices;
  std::vector<std::int64_t> shape;  ///< shape of the index array
};

/// Reads --take. `source` is a list ("3, 1, 0:100:7") or the name of a .npy file of integers;
/// `shape` is the shape of the array to take from. Throws `invalid_argument` or
/// `index_out_of_range`, with the position and the axis, or what the file throws.
Take read_take(const std::string& source, int axis, std::span<const std::int64_t> shape);

/// Returns the shape of the result of taking from an array of `shape`.
std::vector<std::int64_t> shape_after(const Take& take, std::span<const std::int64_t> shape);

/// A smaller array to take from, and the indices into it.
struct Narrowed {
  std::optional<Stack> table;  ///< the table that `view` may look through
  ArrayView view;
  Take take;
};

/// Narrows `view` to a part with the same result, for views whose memory has to travel.
Narrowed narrow(const ArrayView& view, const Take& take);

}  // namespace multibuffer::cli
