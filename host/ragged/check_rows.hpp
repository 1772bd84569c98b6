#pragma once

#include <multibuffer/ragged_view.hpp>

namespace multibuffer {

/// Proves that every row with bytes lies in one range of host memory that this process can read.
/// Throws `unreadable_memory`, naming the row. Rows in device memory are not checked.
void check_rows(const RaggedView& view);

}  // namespace multibuffer
