#include "host/explain/device_reader.hpp"

#include <multibuffer/error.hpp>

#include "host/backend/backend.hpp"
#include "host/ragged/ragged_storage.hpp"
#include "host/support/text.hpp"
#include "host/upload/internals.hpp"
#include "host/upload/storage.hpp"

#include <algorithm>
#include <memory>
#include <vector>

namespace multibuffer {
namespace {

/// The table of a caller's that is read at `level`; null for the library's own.
const ThroughTable* through_at(const Storage& storage, int level) {
  const ThroughTable* table = storage.through.get();
  for (; table != nullptr && level > 0; --level) table = storage_of(table->before)->through.get();
  return table;
}

/// Nobody has checked the entries of a caller's table, and what they lead to is read here. Throws
/// `index_out_of_range` for one that the axis behind the table does not have.
void check_entry(const ThroughTable& through, std::int64_t entry) {
  const Layout& behind = through.before.layout();
  std::int64_t extent = 0;
  for (const Axis& axis : behind.axes())
    if (axis.level == 0) extent = std::max(extent, axis.extent);
  if (entry < 0 || entry >= extent)
    throw Failure(
        Errc::index_out_of_range,
        text("entry ", entry, " of a table for an axis whose extent is at most ", extent));
}

}  // namespace

DeviceReader::DeviceReader(const DeviceArray& array)
    : array_(array), storage_(*storage_of(array)) {}

bool DeviceReader::is_address() const noexcept { return storage_.base == nullptr; }

std::int64_t DeviceReader::unit() const noexcept { return storage_.unit; }

void DeviceReader::read(void* to, const std::byte* from, std::int64_t bytes) const {
  std::shared_ptr<Memory> block;
  for (const UsedMemory& used : blocks_of(storage_))
    if (used.memory->contains(from)) block = used.memory;
  backend_of(array_.device()).read(to, block.get(), from, bytes);
}

Step DeviceReader::follow(int level, std::uint64_t position) const {
  const PlanTable& table = storage_.tables[static_cast<std::size_t>(level)];
  const auto at = static_cast<std::int64_t>(position);
  const ThroughTable* const through = through_at(storage_, level);
  std::int64_t entry = 0;
  if (table.wide) {
    read(&entry, static_cast<const std::byte*>(table.data) + at * 8, 8);
  } else {
    std::uint32_t narrow = 0;
    read(&narrow, static_cast<const std::byte*>(table.data) + at * 4, 4);
    entry = through ? std::int64_t{static_cast<std::int32_t>(narrow)} : std::int64_t{narrow};
  }
  if (through) check_entry(*through, entry);
  const std::int64_t unit = level + 1 == array_.layout().levels() ? storage_.unit : 1;
  return {.entry = entry,
          .unit = unit,
          .position = static_cast<std::uint64_t>(entry) * static_cast<std::uint64_t>(unit)};
}

std::string DeviceReader::value(std::uint64_t position) const {
  std::vector<std::byte> element(static_cast<std::size_t>(array_.itemsize()));
  const auto base = reinterpret_cast<std::uintptr_t>(storage_.base);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): offsets of arrays in place are addresses
  read(element.data(), reinterpret_cast<const std::byte*>(base + position), array_.itemsize());
  return show_element(array_.format(), element.data());
}

RaggedReader::RaggedReader(const RaggedArray& array) : array_(array) {
  if (array.rows() == 0) return;
  row_.emplace(array.row(0));
  elements_.emplace(*row_);
}

bool RaggedReader::is_address() const noexcept {
  return storage_of(array_).storage->base == nullptr;
}

std::int64_t RaggedReader::unit() const noexcept { return storage_of(array_).storage->unit; }

Step RaggedReader::follow(std::uint64_t position) const {
  const std::int64_t entry =
      entry_of(storage_of(array_).host_starts, static_cast<std::int64_t>(position));
  return {.entry = entry,
          .unit = unit(),
          .position = static_cast<std::uint64_t>(entry) * static_cast<std::uint64_t>(unit())};
}

}  // namespace multibuffer
