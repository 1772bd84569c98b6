#pragma once

#include <multibuffer/layout.hpp>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace multibuffer::cli {

/// Parses NumPy's basic index syntax, `::-1, 10:200:3, ..., None, 2`, with or without brackets
/// around it, into view operations on an array of `shape`. Throws `invalid_argument` (syntax, too
/// many indices, a step of 0) or `index_out_of_range` (with the axis and its extent), both with the
/// text and a mark below the wrong place.
std::vector<ViewOperation> parse_index(std::string_view text, std::span<const std::int64_t> shape);

/// Parses a list of indices, `3, 1, -1, 0:100:7`, of an axis of `extent`. Ranges are Python's
/// slices. Single indices are kept unchecked. Throws `invalid_argument`.
std::vector<std::int64_t> parse_index_list(std::string_view text, std::int64_t extent);

}  // namespace multibuffer::cli
