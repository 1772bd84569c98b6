#include "tests/testing/check_ragged.hpp"

#include <multibuffer/multibuffer.hpp>

#include "host/ragged/place_rows.hpp"
#include "host/support/text.hpp"
#include "tests/testing/random_ragged.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace multibuffer::testing {
namespace {

using Numbers = std::vector<std::int64_t>;

struct Mismatch : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class... Parts>
void require(bool holds, const Parts&... parts) {
  if (!holds) throw Mismatch(text(parts...));
}

std::int64_t entry_at(const OffsetArray& table, std::int64_t position) {
  return std::visit(
      [&](const auto& entries) {
        return static_cast<std::int64_t>(entries.at(static_cast<std::size_t>(position)));
      },
      table);
}

/// The address in the source of a byte of the arena, or of nothing.
const std::byte* source_of(const Placement& placement, std::int64_t offset) {
  if (placement.kind == PlacementKind::in_place)
    return reinterpret_cast<const std::byte*>(offset);  // NOLINT(performance-no-int-to-ptr)
  for (const Segment& segment : placement.segments)
    if (segment.offset <= offset && offset < segment.offset + segment.bytes)
      return segment.source + (offset - segment.offset);
  return nullptr;
}

/// Each row's first and last byte are those of the caller's, and no byte travels that is not a
/// row's.
void check_placement(const RaggedView& view, PlacementKind kind) {
  const Placement placement = place_rows(view, kind, {});
  std::int64_t travels = 0, rows = 0;
  for (const Segment& segment : placement.segments) travels += segment.bytes;
  for (std::int64_t row = 0; row < view.rows(); ++row) {
    const std::int64_t bytes = view.length(row) * view.item_bytes();
    require(entry_at(placement.tables.at(1), row) == view.length(row), "the length of row ", row);
    if (bytes == 0) continue;
    rows += bytes;
    const std::int64_t at =
        entry_at(placement.tables.at(0), row) * placement.unit + placement.layout.origins()[1];
    for (const std::int64_t byte : {std::int64_t{0}, bytes / 2, bytes - 1}) {
      // Rows that share a start may be copied apart, and then their bytes are equal.
      const std::byte* const source = source_of(placement, at + byte);
      require(source == view.start(row) + byte, "byte ", byte, " of row ", row);
    }
  }
  require(travels == placement.arena_bytes || kind == PlacementKind::in_place, "bytes that travel");
  require(travels <= rows, travels, " bytes travel of ", rows);
}

/// A view of the array, and the rows of the source that it has.
struct Viewed {
  RaggedArray array;
  Numbers rows;
};
Viewed random_slice(Random& random, const RaggedArray& array) {
  Numbers rows(static_cast<std::size_t>(array.rows()));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int64_t>(i);
  if (random.chance(60)) return {array, rows};
  const std::int64_t count = array.rows();
  Slice slice;
  slice.step = random.pick<std::int64_t>({1, 1, 2, 3, -1, -2});
  if (random.chance(70)) slice.start = random.between(-count - 2, count + 2);
  if (random.chance(70)) slice.stop = random.between(-count - 2, count + 2);
  const Layout layout = Layout({{count, 1, 0}}, {0}).slice(0, slice);
  rows.clear();
  for (std::int64_t i = 0; i < layout.axes()[0].extent; ++i)
    rows.push_back(layout.origins()[0] + i * layout.axes()[0].stride);
  return {array.slice(slice), rows};
}

/// The rows of the source that a request of a view names.
reference::Rows of_source(const Numbers& view, const reference::Rows& rows) {
  reference::Rows all{view, IndexMode::raise};
  if (!rows.indices) return all;
  all.indices->clear();
  const auto count = static_cast<std::int64_t>(view.size());
  for (std::int64_t index : *rows.indices) {
    if (rows.mode == IndexMode::clip) index = std::clamp<std::int64_t>(index, 0, count - 1);
    if (rows.mode == IndexMode::wrap) index = (index % count + count) % count;
    all.indices->push_back(view[static_cast<std::size_t>(index < 0 ? index + count : index)]);
  }
  return all;
}

void require_equal(const DeviceBuffer& actual, const reference::Result& expected,
                   const std::string& what) {
  require(actual.shape() == expected.shape, what, " has the shape ", tuple_text(actual.shape()),
          ", not ", tuple_text(expected.shape));
  const Comparison comparison = verify(actual, expected.bytes);
  require(comparison.equal(), what, ": ", describe(comparison));
}

Numbers offsets_of(const DeviceBuffer& offsets) {
  if (offsets.format().itemsize() == 8) return offsets.to_host<std::int64_t>();
  const auto narrow = offsets.to_host<std::int32_t>();
  return {narrow.begin(), narrow.end()};
}

/// As many rows as the longest of them fits into a result that is no larger than most sources.
std::int64_t rows_that_fit(const RaggedView& view, const RaggedArray& array) {
  const std::int64_t row_bytes = std::max<std::int64_t>(1, array.longest() * view.item_bytes());
  return std::clamp<std::int64_t>((std::int64_t{1} << 18) / row_bytes, 1, 1200);
}

/// The index array of a selection, on a GPU sometimes in its memory.
RowSelection on_the_way(Random& random, const Device& device, const RandomRows& rows) {
  RowSelection selection = rows.selection();
  if (!selection.indices || device.kind() == DeviceKind::host || random.chance(50))
    return selection;
  const Indices& indices = *selection.indices;
  selection.indices.emplace(DeviceBuffer::from_host(
      device, indices.data(), indices.shape(),
      indices.bytes_each() == 8 ? native_format<std::int64_t>() : native_format<std::int32_t>()));
  return selection;
}

void check_pack(Random& random, const RaggedView& view, const Viewed& viewed) {
  const RandomRows rows(random, viewed.array.rows(), rows_that_fit(view, viewed.array));
  const RandomConversion conversion(random, view.format());
  const auto expected = reference::pack(view, of_source(viewed.rows, rows.expected()),
                                        conversion.format, {.overflow = conversion.overflow});
  PackOptions options;
  options.format = conversion.format;
  options.overflow = conversion.overflow;
  options.offset_bytes = random.pick({4, 8});
  std::vector<std::byte> memory;
  if (random.chance(30)) {
    memory.resize(expected.values.bytes.size() + 3);
    options.out = Output{.data = memory.data() + 3,
                         .bytes = static_cast<std::int64_t>(expected.values.bytes.size())};
  }
  const RowSelection selection = on_the_way(random, viewed.array.device(), rows);
  if (selection.indices && selection.indices->space() == MemorySpace::device) {
    options.items = expected.offsets.back();  // as much room as they need
  }
  const std::string what = text("pack of ", rows.describe(), " ", conversion.describe());
  const auto check = [&](const PackedRows& packed) {
    require(offsets_of(packed.offsets) == expected.offsets, what, ": offsets");
    require_equal(packed.values, expected.values, what);
  };
  check(pack(viewed.array, selection, options));
  if (random.chance(30)) {
    PackOptions all = options;
    all.items.reset();
    check(pack(take(viewed.array, selection), {}, all));
  }
  const bool on_host = viewed.array.device().kind() == DeviceKind::host;
  if (random.chance(70) || (options.out && !on_host)) return;
  const PackPlan plan(viewed.array, selection, options);
  check(plan.run());
  check(plan.run());
}

void check_pad(Random& random, const RaggedView& view, const Viewed& viewed) {
  const std::int64_t longest = viewed.array.longest();
  const std::int64_t most = rows_that_fit(view, viewed.array);
  Viewed some = viewed;
  if (some.array.rows() > most) {
    some.array = some.array.slice({0, most, 1});
    some.rows.resize(static_cast<std::size_t>(most));
  }
  const RandomRows rows(random, some.array.rows(), most);
  const RandomConversion conversion(random, view.format());
  const Format& to = conversion.format ? *conversion.format : view.format();
  std::vector<std::byte> fill(static_cast<std::size_t>(to.itemsize()));
  random.fill(fill);

  const reference::Rows source_rows = of_source(some.rows, rows.expected());
  reference::Padding padding;
  PadOptions options;
  for (const std::int64_t row : *source_rows.indices)
    padding.length = std::max(padding.length, view.length(row));
  if (random.chance(60)) {
    padding.length = random.between(std::int64_t{0}, longest + 3);
    options.length = padding.length;
    options.truncation = random.pick({Truncation::drop_begin, Truncation::drop_end});
    padding.keeps_end = options.truncation == Truncation::drop_begin;
  }
  padding.before = random.chance(50);
  options.side = padding.before ? PadSide::before : PadSide::after;
  if (random.chance(70)) options.fill = padding.fill = fill.data();
  options.format = conversion.format;
  options.overflow = conversion.overflow;
  const auto expected = reference::pad(view, padding, source_rows, conversion.format,
                                       {.overflow = conversion.overflow});
  const std::string what =
      text("pad to ", padding.length, " of ", rows.describe(), " ", conversion.describe());
  const RowSelection selection = on_the_way(random, some.array.device(), rows);
  if (!options.length) options.length = padding.length;
  if (selection.indices && selection.indices->space() == MemorySpace::device &&
      options.truncation == Truncation::refuse)
    options.truncation = Truncation::drop_end;  // other rows may be longer
  require_equal(pad(some.array, selection, options), expected, what);
  if (random.chance(70)) return;
  const PadPlan plan(some.array, selection, options);
  plan.run();
  require_equal(plan.run(), expected, what);
}

void check_rows(Random& random, const RaggedView& view, const Viewed& viewed) {
  const RaggedArray& array = viewed.array;
  std::int64_t items = 0, longest = 0;
  for (const std::int64_t row : viewed.rows) {
    items += view.length(row);
    longest = std::max(longest, view.length(row));
  }
  require(array.items() == items && array.longest() == longest, "the items of a view");
  for (int i = 0; i < 3 && array.rows() > 0; ++i) {
    const std::int64_t row = random.between(-array.rows(), array.rows() - 1);
    const std::int64_t at =
        viewed.rows[static_cast<std::size_t>(row < 0 ? row + array.rows() : row)];
    const auto expected = reference::pack(view, {Numbers{at}, IndexMode::raise});
    require_equal(copy(array.row(row)), expected.values, text("row ", at));
    require_equal(*array.row(row).as_buffer(), expected.values, text("row ", at, " as a buffer"));
  }
}

/// Packs one field of structs.
void check_field(Random& random, const RaggedView& view, const Viewed& viewed) {
  const Format& format = view.format();
  if (format.opaque() || !format.type().is_struct) return;
  const std::vector<Field>& fields = format.type().fields;
  const Field& field = fields[random.next() % fields.size()];
  const RaggedArray part = viewed.array.field(field.name);
  // The whole structs, and then the field of each.
  const auto structs = reference::pack(view, {viewed.rows, IndexMode::raise});
  const auto bytes = static_cast<std::size_t>(part.itemsize());
  std::size_t repeats = 1;
  for (const std::int64_t extent : field.shape) repeats *= static_cast<std::size_t>(extent);
  const auto itemsize = static_cast<std::size_t>(format.itemsize());
  reference::Result expected{structs.values.shape, {}};
  expected.shape.insert(expected.shape.end(), field.shape.begin(), field.shape.end());
  for (std::size_t at = 0; at < structs.values.bytes.size(); at += itemsize) {
    const std::byte* const from =
        structs.values.bytes.data() + at + static_cast<std::size_t>(field.offset);
    expected.bytes.insert(expected.bytes.end(), from, from + repeats * bytes);
  }
  PackOptions options;
  if (random.chance(50)) {
    options.format = Format("f", 4);
    expected = reference::converted(std::move(expected), part.format(), *options.format);
  }
  require_equal(pack(part, {}, options).values, expected, text("field ", field.name));
}

}  // namespace

std::string check_ragged(Random& random, const Device& device, std::int64_t most_bytes) {
  const RandomRagged source(random, most_bytes);
  try {
    const RaggedView view = source.view();
    check_placement(view, PlacementKind::packed);
    check_placement(view, PlacementKind::in_place);
    UploadOptions options;
    options.placement = random.pick({PlacementKind::automatic, PlacementKind::packed});
    // A GPU reads no pageable memory.
    if (device.kind() == DeviceKind::host && random.chance(40))
      options.placement = PlacementKind::in_place;
    options.simplify.narrow = random.chance(80);
    const RaggedArray array = upload(view, device, options);
    const Viewed viewed = random_slice(random, array);
    check_rows(random, view, viewed);
    check_pack(random, view, viewed);
    check_pad(random, view, viewed);
    check_field(random, view, viewed);
  } catch (const std::exception& error) {
    return text(source.describe(), '\n', error.what());
  }
  return {};
}

void check_ragged(std::uint64_t seed, const Device& device, std::int64_t most_bytes) {
  Random random(seed);
  const std::string differs = check_ragged(random, device, most_bytes);
  if (!differs.empty()) ADD_FAILURE() << "seed " << seed << ": " << differs;
}

}  // namespace multibuffer::testing
