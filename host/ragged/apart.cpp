#include "host/ragged/apart.hpp"

#include <multibuffer/error.hpp>

#include "host/ragged/ragged_storage.hpp"
#include "host/support/text.hpp"

#include <cstdint>

namespace multibuffer {
namespace {

[[noreturn]] void refuse() {
  throw Failure(Errc::invalid_argument,
                "the output overlaps rows of the array, which are read where they are: some items "
                "would be read after they have been written");
}

/// The bytes of one row, from its first item to its last.
AddressRange row_range(const RaggedStorage& storage, std::int64_t entry) {
  const Layout& whole = storage.storage->layout;
  const std::int64_t length = entry_of(storage.host_lengths, entry);
  const std::int64_t start = entry_of(storage.host_starts, entry) * storage.storage->unit;
  const auto begin = reinterpret_cast<std::uintptr_t>(storage.storage->base) +
                     static_cast<std::uintptr_t>(start + whole.origins()[1]);
  return {begin, begin + static_cast<std::uintptr_t>(length * whole.axes()[1].stride)};
}

}  // namespace

void check_apart(const RaggedArray& array, const AddressRange& out) {
  const RaggedStorage& ragged = storage_of(array);
  const Storage& storage = *ragged.storage;
  if (out.begin == out.end) return;
  const auto refuse_within = [&](const Memory& block) {
    const auto begin = reinterpret_cast<std::uintptr_t>(block.data());
    if (out.meets({begin, begin + static_cast<std::uintptr_t>(block.bytes())})) refuse();
  };
  if (storage.placement != PlacementKind::in_place) return refuse_within(*storage.memory);
  if (storage.clear.has(out)) return;
  const RowEntries rows = entries_of(array);
  for (std::int64_t row = 0; row < rows.count; ++row)
    if (out.meets(row_range(ragged, rows.first + row * rows.step))) refuse();
  // What some of the rows do not meet, others may.
  if (!ragged.tables && rows.count == storage.layout.axes()[0].extent) storage.clear.add(out);
}

}  // namespace multibuffer
