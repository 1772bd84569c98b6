#include "cuda/upload/arena_image.hpp"

#include "host/backend/pack.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <variant>

namespace multibuffer::cuda {
namespace {

std::span<const std::byte> bytes_of(const OffsetArray& table) {
  return std::visit([](const auto& entries) { return std::as_bytes(std::span(entries)); }, table);
}

std::int64_t size_of(const OffsetArray& table) {
  return static_cast<std::int64_t>(bytes_of(table).size());
}

}  // namespace

ArenaImage::ArenaImage(const Placement& placement, const std::vector<std::int64_t>& table_offsets)
    : placement_(placement),
      table_offsets_(table_offsets),
      leaf_bytes_(placement.kind == PlacementKind::in_place ? 0 : placement.arena_bytes),
      bytes_(leaf_bytes_) {
  for (std::size_t level = 0; level < placement.tables.size(); ++level)
    bytes_ = std::max(bytes_, table_offsets[level] + size_of(placement.tables[level]));
}

void ArenaImage::fill(std::int64_t begin, std::int64_t end, std::byte* out) const {
  const std::int64_t leaf_end = std::clamp(leaf_bytes_, begin, end);
  if (begin < leaf_end) pack(placement_, begin, leaf_end, out);
  std::memset(out + (leaf_end - begin), 0, static_cast<std::size_t>(end - leaf_end));

  for (std::size_t level = 0; level < placement_.tables.size(); ++level) {
    const std::int64_t at = table_offsets_[level];
    const std::int64_t first = std::max(begin, at);
    const std::int64_t last = std::min(end, at + size_of(placement_.tables[level]));
    if (first < last)
      std::memcpy(out + (first - begin), bytes_of(placement_.tables[level]).data() + (first - at),
                  static_cast<std::size_t>(last - first));
  }
}

}  // namespace multibuffer::cuda
