#include "cuda/upload/source_runs.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <variant>

namespace multibuffer::cuda {
namespace {

constexpr std::uint64_t most_unit = 256;

std::uint64_t address_of(const std::byte* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer);
}

/// Returns the address of each leaf of a packed placement, in the order of the arena.
std::vector<std::uint64_t> leaf_addresses(const Placement& placement, std::int64_t leaf_bytes) {
  std::vector<std::uint64_t> addresses;
  addresses.reserve(static_cast<std::size_t>(placement.arena_bytes / leaf_bytes));
  for (const Segment& segment : placement.segments)
    // Only leaves without gaps are joined to one segment.
    for (std::int64_t at = 0; at < segment.bytes; at += leaf_bytes)
      addresses.push_back(address_of(segment.source) + static_cast<std::uint64_t>(at));
  return addresses;
}

template <class Entry>
LargeVector<Entry> counted(const std::vector<std::uint64_t>& addresses, std::uint64_t least,
                           std::uint64_t unit) {
  LargeVector<Entry> entries;
  entries.reserve(addresses.size());
  for (const std::uint64_t address : addresses)
    entries.push_back(static_cast<Entry>((address - least) / unit));
  return entries;
}

}  // namespace

std::vector<SourceRun> source_runs(const Placement& placement) {
  if (placement.packing.empty()) return {placement.segments.begin(), placement.segments.end()};
  std::vector<SourceRun> runs;
  for (const Segment& segment : placement.segments) {
    std::int64_t offset = segment.offset;
    const auto walk = [&](const auto& self, std::size_t axis, const std::byte* source) -> void {
      if (axis == placement.packing.size()) {
        runs.push_back({source, offset, placement.run_bytes});
        offset += placement.run_bytes;
        return;
      }
      for (std::int64_t i = 0; i < placement.packing[axis].extent; ++i)
        self(self, axis + 1, source + i * placement.packing[axis].stride);
    };
    walk(walk, 0, segment.source);
  }
  return runs;
}

std::span<const std::byte> PullPlan::table() const {
  return std::visit([](const auto& entries) { return std::as_bytes(std::span(entries)); },
                    addresses);
}

PullPlan pull_plan(const Placement& placement) {
  PullPlan plan;
  plan.packing = placement.packing;
  plan.run_bytes = placement.run_bytes;
  plan.leaf_bytes = placement.run_bytes;
  for (const PackAxis& axis : placement.packing) plan.leaf_bytes *= axis.extent;

  const std::vector<std::uint64_t> addresses = leaf_addresses(placement, plan.leaf_bytes);
  plan.leaves = static_cast<std::int64_t>(addresses.size());
  const auto [least, most] = std::ranges::minmax(addresses);
  std::uint64_t differences = 0;
  for (const std::uint64_t address : addresses) differences |= address - least;
  // For a single address any unit is right, so a large one says nothing about alignment.
  const std::uint64_t unit = std::uint64_t{1} << std::countr_zero(differences | most_unit);
  plan.unit = static_cast<std::int64_t>(unit);
  plan.origin = static_cast<std::int64_t>(least);
  if ((most - least) / unit <= std::numeric_limits<std::uint32_t>::max())
    plan.addresses = counted<std::uint32_t>(addresses, least, unit);
  else
    plan.addresses = counted<std::int64_t>(addresses, least, unit);
  return plan;
}

CopyPlan PullPlan::gather(std::int64_t first, std::int64_t count, const std::byte* table,
                          std::byte* arena) const {
  const bool wide = std::holds_alternative<LargeVector<std::int64_t>>(addresses);
  CopyPlan plan;
  plan.indexed.unit = unit;
  plan.indexed.tables = {{table + first * (wide ? 8 : 4), wide}};
  plan.indexed.origins = {0, origin};
  plan.run_bytes = run_bytes;
  plan.axes.push_back({count, leaf_bytes, 0, 1});
  std::int64_t out_stride = leaf_bytes;
  for (const PackAxis& axis : packing) {
    out_stride /= axis.extent;
    plan.axes.push_back({axis.extent, out_stride, 1, axis.stride});
  }
  plan.dense.base = arena + first * leaf_bytes;
  simplify(plan);
  return plan;
}

}  // namespace multibuffer::cuda
