#pragma once

#include <multibuffer/device.hpp>
#include <multibuffer/explain.hpp>
#include <multibuffer/placement_options.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace multibuffer {

/// Stands in explanations in the place of the value of an element that is not read.
inline constexpr const char* element_not_read = "the element is in device memory, and was not read";

/// The names of a placement and of a step, as JSON and Python have them.
const char* name_of(PlacementKind kind);
const char* name_of(StepKind kind);

/// A device within a sentence: "the host", "cuda:0".
std::string device_words(const Device& device);
/// An index as it is written in code: "[3, 1, 2]".
std::string index_text(std::span<const std::int64_t> index);
/// "+ 8" or "- 8".
std::string signed_text(std::int64_t number);
/// A number with a comma before every three digits: "9,994".
std::string grouped_text(std::int64_t number);
/// "1 row", "3 rows", by the plural.
std::string count_text(std::int64_t count, std::string_view singular, std::string_view plural);
/// "array of shape (3, 4), format 'i'".
std::string array_words(std::span<const std::int64_t> shape, const Format& format);
/// The same of rows of unequal length, whose second extent is that of the longest one: "3 rows of
/// up to 4 items of shape (2,), format 'i'".
std::string rows_words(std::span<const std::int64_t> shape, const Format& format);
/// At most `most` bytes of a text, with "..." in the place of the rest.
std::string shortened_text(std::string_view text, std::size_t most);
/// Rows of cells in columns as wide as their cells.
std::string columns_text(const std::vector<std::vector<std::string>>& rows);

}  // namespace multibuffer
