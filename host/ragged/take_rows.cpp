#include <multibuffer/ragged.hpp>

#include "host/backend/backend.hpp"
#include "host/ragged/ragged_storage.hpp"
#include "host/ragged/selected_rows.hpp"
#include "host/upload/internals.hpp"
#include "host/upload/storage.hpp"

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <variant>

namespace multibuffer {
namespace {

/// The entries of some rows, as wide as they were.
OffsetArray gathered(const OffsetArray& table, const SelectedRows& rows) {
  return std::visit(
      [&](const auto& entries) -> OffsetArray {
        std::decay_t<decltype(entries)> result(static_cast<std::size_t>(rows.count));
        for (std::int64_t row = 0; row < rows.count; ++row)
          result[static_cast<std::size_t>(row)] =
              entries[static_cast<std::size_t>(rows.entry(row))];
        return result;
      },
      table);
}

}  // namespace

RaggedArray take(const RaggedArray& array, const RowSelection& rows, const CallOptions& options) {
  const RaggedStorage& from = storage_of(array);
  const SelectedRows selected = selected_rows(array, rows, true);
  auto ragged = std::make_shared<RaggedStorage>();
  ragged->storage = from.storage;
  ragged->host_starts = gathered(from.host_starts, selected);
  ragged->host_lengths = gathered(from.host_lengths, selected);

  // Tables alone are uploaded as a placement without leaves.
  Placement tables;
  tables.tables = {ragged->host_starts, ragged->host_lengths};
  const ArenaMap map = map_arena(tables);
  Backend& backend = backend_of(array.device());
  ragged->tables = backend.allocate(map.bytes, options.stream);
  if (map.bytes > 0)
    backend.upload(tables, map.tables, *ragged->tables, options.stream, options.watch);
  ragged->starts = {ragged->tables->data() + map.tables[0], from.starts.wide};
  ragged->lengths = {ragged->tables->data() + map.tables[1], from.lengths.wide};
  return detail::RaggedInternals::array(std::move(ragged), array.format(),
                                        Layout({{selected.count, 1, 0}}, {0}), items_of(array));
}

}  // namespace multibuffer
