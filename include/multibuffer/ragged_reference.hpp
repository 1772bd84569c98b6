#pragma once

#include <multibuffer/gather_modes.hpp>
#include <multibuffer/ragged_view.hpp>
#include <multibuffer/reference.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

/// The oracle for ragged arrays: it follows the caller's own starts, row by row, and shares no code
/// with what packs and pads. Rows must be in host memory and padded to no negative length
/// (`invalid_argument`); the number of items and the bytes of a result must fit in 64 bits
/// (`size_overflow`).
namespace multibuffer::reference {

/// Which rows; without indices all of them. Indices count as `mode` says.
struct Rows {
  std::optional<std::vector<std::int64_t>> indices = {};
  IndexMode mode = IndexMode::raise;
};

/// Packed rows in host memory.
struct Packed {
  std::vector<std::int64_t> offsets;  ///< rows + 1, in items
  Result values;                      ///< [items, item_shape...]
};
Packed pack(const RaggedView& view, const Rows& rows = {}, const std::optional<Format>& format = {},
            const Options& options = {});

struct Padding {
  std::int64_t length = 0;          ///< items
  const std::byte* fill = nullptr;  ///< one element of the result's format; null: zeros
  bool before = false;              ///< the side
  bool keeps_end = false;           ///< of rows that are longer than `length`
};
Result pad(const RaggedView& view, const Padding& padding, const Rows& rows = {},
           const std::optional<Format>& format = {}, const Options& options = {});

}  // namespace multibuffer::reference
