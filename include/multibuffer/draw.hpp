#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/device_array.hpp>
#include <multibuffer/layout.hpp>
#include <multibuffer/placement_options.hpp>
#include <multibuffer/ragged_array.hpp>
#include <multibuffer/ragged_view.hpp>
#include <multibuffer/watch.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace multibuffer {

struct DrawOptions {
  /// The part of the array that is viewed. What these leave out is drawn, too, in grey.
  std::vector<ViewOperation> operations = {};
  /// An element of the view, one number an axis, whose way is marked and written step by step.
  std::optional<std::vector<std::int64_t>> at = {};
  /// Draws, beside the exporter's memory, the offset arrays and the arena that stand for it.
  bool with_offsets = true;
  PlacementKind placement = PlacementKind::automatic;
  std::string title = {};  ///< empty: one by the shape and the format
  Watch watch = {};
};

/// Draws an array as a picture in SVG: its pointer tables, the leaves that they lead to, which of
/// them are shared, the bytes that are no elements, and where one element is. Long axes are
/// abridged to their ends and to what is marked. No address is written, so the same array looks the
/// same in each run. The picture follows the viewer's light or dark colour scheme.
///
/// Follows the pointers that are drawn; with the offset arrays, it resolves and places the view. An
/// array that cannot be placed (a NULL pointer) is drawn without them, and the picture says why.
/// Throws what the operations and `explain` throw.
std::string draw(const ArrayView& array, const DrawOptions& options = {});

/// Draws an uploaded array by its offset arrays; `placement` and `with_offsets` have no meaning
/// then. Reads what is drawn from the device, entry by entry, and waits for what writes it.
std::string draw(const DeviceArray& array, const DrawOptions& options = {});

/// Draws rows of unequal length: their starts and lengths, and each row's items. `at` is a row, an
/// item of it, and an index for each axis of an item. Throws `invalid_argument` for operations,
/// and `index_out_of_range` for an item that its row does not have.
std::string draw(const RaggedView& rows, const DrawOptions& options = {});
std::string draw(const RaggedArray& rows, const DrawOptions& options = {});

}  // namespace multibuffer
