#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/format.hpp>
#include <multibuffer/layout.hpp>
#include <multibuffer/ragged_array.hpp>
#include <multibuffer/ragged_view.hpp>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace multibuffer {

/// Rows of unequal length as the rule sees them that goes to their elements: those of a view, or of
/// an array on a device.
struct RaggedRows {
  /// As if all rows were as long as the longest one: a table of starts, and items behind each.
  Layout layout;
  Format format;
  std::function<std::int64_t(std::int64_t row)> length;
};
RaggedRows rows_of(const RaggedView& view);
RaggedRows rows_of(const RaggedArray& array);

/// The rows as an array of pointers, which claims items that short rows do not have: whoever reads
/// it asks for the lengths first. It borrows the list of starts from `view`.
ArrayView as_if_equal(const RaggedView& view);

/// Returns `index` with negative numbers counted from the end, those of items from the end of their
/// own row. Throws `invalid_argument` for another number of them than of axes, and
/// `index_out_of_range`, for an item that its row does not have, too.
std::vector<std::int64_t> checked_item(const RaggedRows& rows, std::span<const std::int64_t> index);

}  // namespace multibuffer
