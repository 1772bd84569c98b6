#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/device_array.hpp>
#include <multibuffer/explain.hpp>
#include <multibuffer/layout.hpp>
#include <multibuffer/stages/place.hpp>

#include "host/explain/device_reader.hpp"
#include "host/explain/picture.hpp"
#include "host/explain/ragged_rows.hpp"

#include <cstdint>
#include <span>
#include <string>

namespace multibuffer {

/// What a picture reads: an exporter's memory, a placement of `view`, or an uploaded array, entry
/// by entry. References are kept.
PictureSource source_of(const ArrayView& view);
PictureSource source_of(const Placement& placement, const ArrayView& view);
PictureSource source_of(const DeviceArray& array, const DeviceReader& reader);
PictureSource source_of(const RaggedReader& reader, const RaggedRows& rows);

/// The element of a view at an index, as text; "?" where it is in device memory.
std::string value_at(const ArrayView& view, std::span<const std::int64_t> index);

// Arrays in place have an address for the origin of their last level. A picture counts it to where
// an entry leads, or to where level 0 begins: what is left of the origin is what a suboffset is
// elsewhere.

/// That address; 0 for others.
std::uint64_t address_in(const Layout& layout, bool is_address);
Layout without_address(const Layout& layout, std::uint64_t address);
PictureSource with_address(PictureSource source, std::uint64_t address);
void count_address_before(WayToElement& way, int levels, std::uint64_t address);

/// Leaves in place are where they were; those in an arena are one block.
Blocks blocks_for(bool is_address);

}  // namespace multibuffer
