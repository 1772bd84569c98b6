#include <multibuffer/error.hpp>
#include <multibuffer/stages/place.hpp>
#include <multibuffer/update.hpp>

#include "host/backend/backend.hpp"
#include "host/support/address.hpp"
#include "host/support/text.hpp"
#include "host/upload/internals.hpp"
#include "host/upload/storage.hpp"

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <variant>

namespace multibuffer {
namespace {

/// Tells whether some leaf of a placement lies in `memory`.
bool reads_from(const Placement& placement, const Memory& memory) {
  const std::int64_t begin = address_of(memory.data()), end = begin + memory.bytes();
  for (std::int64_t i = 0; i < placement.leaves.size(); ++i) {
    const std::int64_t low = placement.leaves[i] - placement.leaf_below;
    if (low < end && low + placement.leaf_span > begin) return true;
  }
  return false;
}

/// Says how a placement differs from the one that an array was made from, as far as its views can
/// tell; empty if in nothing.
std::string difference(const Placement& placement, const Storage& storage) {
  if (!same_meaning(placement.format, storage.format))
    return text("its format is '", placement.format.text(), "', the array's '",
                storage.format.text(), "'");
  const std::vector<std::int64_t> shape = placement.layout.shape();
  if (shape != storage.layout.shape())
    return text("its shape is ", tuple_text(shape), ", the array's ",
                tuple_text(storage.layout.shape()));
  const bool same_tables = std::ranges::equal(
      placement.tables, storage.tables, {},
      [](const OffsetArray& table) {
        return std::holds_alternative<LargeVector<std::int64_t>>(table);
      },
      &PlanTable::wide);
  const ArenaMap map = map_arena(placement);
  const bool same_places =
      map.bytes == storage.memory->bytes() &&
      std::ranges::equal(
          map.tables, storage.tables, {},
          [&](std::int64_t offset) {
            return static_cast<const std::byte*>(storage.memory->data()) + offset;
          },
          &PlanTable::data);
  if (placement.kind != storage.placement || placement.layout != storage.layout ||
      placement.unit != storage.unit || placement.arena_bytes != storage.arena_bytes ||
      placement.entry_alignment < storage.entry_alignment || !same_tables || !same_places)
    return "its rows need another layout on the device than the array's";
  return {};
}

// ---- Leaves that arrays share

std::vector<const std::byte*> leaves_of(const Resolution& resolution) {
  std::vector<const std::byte*> leaves;
  for (std::int64_t i = 0; i < resolution.leaves.size(); ++i)
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an address found in a table
    leaves.push_back(reinterpret_cast<const std::byte*>(resolution.leaves[i]));
  return leaves;
}

std::vector<Axis> leaf_axes(const Layout& layout) {
  std::vector<Axis> axes;
  for (Axis axis : layout.axes())
    if (axis.level == layout.levels()) axes.push_back({axis.extent, axis.stride, 0});
  return axes;
}

/// Leaves alone: one table with an entry for each.
Resolution each_leaf(const Resolution& of, const std::vector<const std::byte*>& leaves) {
  std::vector<Axis> axes{{static_cast<std::int64_t>(leaves.size()), 1, 0}};
  for (Axis axis : leaf_axes(of.layout)) axes.push_back({axis.extent, axis.stride, 1});
  LargeVector<std::int64_t> addresses;
  for (const std::byte* leaf : leaves) addresses.push_back(address_of(leaf));
  return {.format = of.format,
          .space = of.space,
          .layout = Layout(std::move(axes), {0, 0}),
          .tables = {Sequence::affine(0, 1, static_cast<std::int64_t>(leaves.size()))},
          .leaves = Sequence::flat(std::move(addresses)),
          .pointers_read = 0};
}

/// Brings leaves to the device, in an arena of their own, and adds them to what is known. Returns
/// how they lie.
PlacementKind bring(KnownLeaves& known, const Resolution& resolution,
                    const std::vector<const std::byte*>& leaves, PlacementKind kind,
                    const Device& device, const UploadOptions& options) {
  const Placement placement = place(each_leaf(resolution, leaves), kind,
                                    {.flatten = false, .duplicate = false, .narrow = false});
  if (placement.kind == PlacementKind::in_place)
    throw Failure(Errc::invalid_argument,
                  "leaves that are used in place are nobody's to keep: keep_sources is for host "
                  "memory that is copied");
  // Their table stays here: the array's own takes its place.
  Placement leaves_alone = placement;
  leaves_alone.tables.clear();
  const std::shared_ptr<Memory> arena =
      backend_of(device).allocate(placement.arena_bytes, options.stream);
  backend_of(device).upload(leaves_alone, {}, *arena, options.stream, options.watch);

  const auto axes = placement.layout.axes();
  known.axes.assign(axes.begin() + 1, axes.end());
  const auto& offsets = std::get<LargeVector<std::int64_t>>(placement.tables.at(0));
  for (std::size_t i = 0; i < leaves.size(); ++i)
    known.leaves[leaves[i]] = {arena->data() + placement.layout.origins()[1] + offsets[i], arena};
  return placement.kind;
}

/// The resolution as one of memory on the device.
Resolution on_device(Resolution resolution, const KnownLeaves& known) {
  resolution.space = MemorySpace::device;
  if (resolution.leaves.empty()) return resolution;  // and without a leaf, without its axes
  const int last = resolution.layout.levels();
  std::vector<Axis> axes(resolution.layout.axes().begin(), resolution.layout.axes().end());
  auto there = known.axes.begin();
  for (Axis& axis : axes)
    if (axis.level == last) axis.stride = (there++)->stride;
  const auto origins = resolution.layout.origins();
  resolution.layout = Layout(std::move(axes), {origins.begin(), origins.end()});
  LargeVector<std::int64_t> leaves;
  for (const std::byte* leaf : leaves_of(resolution))
    leaves.push_back(address_of(known.leaves.at(leaf).address));
  resolution.leaves = Sequence::flat(std::move(leaves));
  return resolution;
}

/// Returns the leaves of `before` that those of `resolution` may share. Throws if they are of
/// another kind.
std::shared_ptr<KnownLeaves> shared_leaves(const Resolution& resolution, const Storage* before) {
  auto known = std::make_shared<KnownLeaves>();
  known->source_axes = leaf_axes(resolution.layout);
  if (!before) return known;
  if (!same_meaning(resolution.format, before->format))
    throw Failure(Errc::invalid_argument, text("elements of format '", resolution.format.text(),
                                               "' for an array of '", before->format.text(), "'"));
  if (resolution.leaves.empty() || before->known->leaves.empty()) return known;
  if (known->source_axes != before->known->source_axes)
    throw Failure(Errc::invalid_argument,
                  "what the pointers lead to has other extents or strides than in the array whose "
                  "leaves are to be shared");
  known->axes = before->known->axes;
  for (const std::byte* leaf : leaves_of(resolution))
    if (const auto found = before->known->leaves.find(leaf); found != before->known->leaves.end())
      known->leaves.insert(*found);
  return known;
}

}  // namespace

void update(const DeviceArray& array, const ArrayView& view, const CallOptions& options) {
  const Storage& storage = uploaded_storage(array);
  if (storage.placement == PlacementKind::in_place)
    throw Failure(Errc::invalid_argument,
                  "an array in place reads its source where it lies: there is nothing to update");
  if (storage.is_ragged_row)
    throw Failure(Errc::invalid_argument,
                  "rows of a ragged array are not updated; upload the rows again");
  if (storage.known)
    throw Failure(
        Errc::invalid_argument,
        "the array may share its leaves with others (keep_sources): update_pointers gives "
        "a new one");
  const Placement placement =
      place(resolve(view, {.watch = options.watch}), storage.placement, storage.simplify);
  const std::string differs = difference(placement, storage);
  if (!differs.empty())
    throw Failure(Errc::invalid_argument,
                  text("the view cannot be written over the array: ", differs));
  if (storage.memory->bytes() == 0) return;
  Backend& backend = backend_of(storage.device);
  const std::vector<std::int64_t> tables = map_arena(placement).tables;
  if (!reads_from(placement, *storage.memory))
    return backend.upload(placement, tables, *storage.memory, options.stream, options.watch);
  // The new elements are the array's own in another order, say: all of them are read first. (Leaves
  // on a CUDA device are never packed, so this is memory of the host.)
  const std::shared_ptr<Memory> all = backend.allocate(storage.memory->bytes(), options.stream);
  backend.upload(placement, tables, *all, options.stream, options.watch);
  backend.write(*storage.memory, 0, all->data(), all->bytes(), options.stream);
}

DeviceArray update_pointers(const DeviceArray& array, const ArrayView& view,
                            const UpdateOptions& options) {
  const Storage& before = uploaded_storage(array);
  if (!before.known)
    throw Failure(Errc::invalid_argument,
                  "the array was not uploaded with keep_sources: it does not know where its leaves "
                  "came from");
  return upload_sharing(view, before.device,
                        {.placement = before.placement,
                         .simplify = before.simplify,
                         .owner = options.owner,
                         .memory = nullptr,
                         .stream = options.stream,
                         .watch = options.watch,
                         .keep_sources = true},
                        &before);
}

DeviceArray upload_sharing(const ArrayView& view, const Device& device,
                           const UploadOptions& options, const Storage* before) {
  Resolution resolution = resolve(view, {.watch = options.watch, .checked = options.checked});
  std::shared_ptr<KnownLeaves> known = shared_leaves(resolution, before);
  std::vector<const std::byte*> missing;
  for (const std::byte* leaf : leaves_of(resolution))
    if (!known->leaves.contains(leaf)) missing.push_back(leaf);
  PlacementKind kind = before ? before->placement : options.placement;
  if (!missing.empty()) kind = bring(*known, resolution, missing, kind, device, options);
  std::set<std::shared_ptr<Memory>> arenas;
  for (const auto& [source, leaf] : known->leaves) arenas.insert(leaf.arena);
  Placement placement =
      place(on_device(std::move(resolution), *known), PlacementKind::in_place, options.simplify);
  UploadOptions tables_only = options;
  tables_only.watch.progress = {};
  const std::shared_ptr<Storage> storage = make_storage(placement, device, tables_only);
  storage->placement = kind == PlacementKind::automatic ? PlacementKind::packed : kind;
  storage->known = std::move(known);
  storage->arenas.assign(arenas.begin(), arenas.end());
  return make_array(storage, placement.layout);
}

}  // namespace multibuffer
