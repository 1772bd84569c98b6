#include <multibuffer/explain.hpp>
#include <multibuffer/multibuffer.hpp>
#include <multibuffer/ragged.hpp>

#include "tests/testing/random_array.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

// Where an element is, step by step: against PEP 3118's own rule, and against the bytes that
// travel.

namespace multibuffer {
namespace {

using testing::expect_error;
using testing::Random;
using testing::RandomArray;
using Numbers = std::vector<std::int64_t>;

/// PEP 3118's `get_item_pointer`, word for word.
const char* item_pointer(const BufferExport& source, const Numbers& indices) {
  const char* pointer = static_cast<const char*>(source.buf);
  for (int i = 0; i < source.ndim; ++i) {
    pointer += source.strides[i] * indices[static_cast<std::size_t>(i)];
    if (source.suboffsets && source.suboffsets[i] >= 0) {
      const char* stored = nullptr;
      std::memcpy(&stored, pointer, sizeof stored);
      pointer = stored + source.suboffsets[i];
    }
  }
  return pointer;
}

const std::byte* pointer_to(std::uint64_t address) {
  return reinterpret_cast<const std::byte*>(address);
}

Numbers random_index(Random& random, const Numbers& shape) {
  Numbers index;
  for (const std::int64_t extent : shape)
    index.push_back(random.between(std::int64_t{0}, extent - 1));
  return index;
}

bool has_elements(const Numbers& shape) { return std::ranges::find(shape, 0) == shape.end(); }

TEST(Explain, LeadsWhereTheProtocolsRuleLeads) {
  for (std::uint64_t seed = 0; seed < 1500; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    testing::ArrayOptions options;
    options.zero_extents = false;
    const RandomArray array(random, options);
    if (!array.source().strides) continue;  // then the rule has no strides to add
    const ArrayView view = ArrayView::from_export(array.source());
    const Numbers index = random_index(random, array.shape());
    const Explanation explanation = explain(view, index);
    const auto* const element =
        reinterpret_cast<const std::byte*>(item_pointer(array.source(), index));
    ASSERT_EQ(pointer_to(explanation.pointers->position), element) << array.describe();
    EXPECT_EQ(explanation.value, show_element(view.format(), element));
    EXPECT_EQ(explanation.pointers->steps.back().position, explanation.pointers->position);
  }
}

/// What an arena holds at a byte, segment by segment and run by run.
std::vector<std::byte> read_arena(const Placement& placement, std::int64_t at, std::int64_t bytes) {
  std::vector<std::byte> found;
  for (std::int64_t i = at; i < at + bytes; ++i)
    for (const Segment& segment : placement.segments) {
      if (i < segment.offset || i >= segment.offset + segment.bytes) continue;
      std::int64_t within = i - segment.offset;
      const std::byte* source = segment.source;
      if (!placement.packing.empty()) {
        std::int64_t rest = within / placement.run_bytes;
        within %= placement.run_bytes;
        std::int64_t leaf = 1;
        for (const PackAxis& axis : placement.packing) leaf *= axis.extent;
        rest %= leaf;
        for (std::size_t k = placement.packing.size(); k-- > 0;) {
          source += rest % placement.packing[k].extent * placement.packing[k].stride;
          rest /= placement.packing[k].extent;
        }
      }
      found.push_back(source[within]);
    }
  return found;
}

TEST(Explain, ByOffsetsLeadsToTheSameBytesInTheArena) {
  int in_arena = 0;
  for (std::uint64_t seed = 5000; seed < 6500; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    testing::ArrayOptions options;
    options.zero_extents = false;
    const RandomArray array(random, options);
    ArrayView view = ArrayView::from_export(array.source());
    for (const ViewOperation& operation :
         testing::random_operations(random, array.shape(), random.between(0, 3)))
      view = view.apply(operation);
    if (!has_elements(view.shape())) continue;
    const auto kind =
        random.pick({PlacementKind::packed, PlacementKind::preserved, PlacementKind::in_place});
    const Numbers index = random_index(random, view.shape());
    const Explanation explanation = explain(view, index, {kind, {}});
    const std::byte* const element = pointer_to(explanation.pointers->position);
    ASSERT_TRUE(explanation.offsets) << explanation.notes.front();
    if (kind == PlacementKind::in_place) {
      EXPECT_EQ(pointer_to(explanation.offsets->position), element);
      continue;
    }
    ++in_arena;
    const Placement placement = place(resolve(view), kind);
    const std::vector<std::byte> there = read_arena(
        placement, static_cast<std::int64_t>(explanation.offsets->position), view.itemsize());
    ASSERT_EQ(there.size(), static_cast<std::size_t>(view.itemsize())) << array.describe();
    EXPECT_EQ(std::memcmp(there.data(), element, there.size()), 0) << array.describe();
    const Segment segment =
        placement.segments[static_cast<std::size_t>(explanation.place->segment.value())];
    EXPECT_LE(segment.offset, static_cast<std::int64_t>(explanation.offsets->position));
    EXPECT_LT(static_cast<std::int64_t>(explanation.offsets->position),
              segment.offset + segment.bytes);
  }
  EXPECT_GT(in_arena, 500);
}

TEST(Explain, AnUploadedArrayIsReadEntryByEntry) {
  for (std::uint64_t seed = 9000; seed < 9300; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    testing::ArrayOptions options;
    options.zero_extents = false;
    const RandomArray array(random, options);
    const ArrayView view = ArrayView::from_export(array.source());
    UploadOptions uploading;
    uploading.placement =
        random.pick({PlacementKind::packed, PlacementKind::preserved, PlacementKind::in_place});
    uploading.simplify.flatten = random.chance(50);
    const DeviceArray uploaded = upload(view, Device::host(), uploading);
    const Numbers index = random_index(random, array.shape());
    const Explanation explanation = explain(uploaded, index);
    EXPECT_EQ(explanation.value, explain(view, index).value);
    EXPECT_FALSE(explanation.pointers);
  }
}

/// `T**` with three rows, the first and the last of which are one.
struct Rows {
  std::array<std::int32_t, 4> a{0, 1, 2, 3}, b{10, 11, 12, 13};
  std::array<const std::int32_t*, 3> pointers{b.data(), a.data(), b.data()};
  ArrayView view() const { return ArrayView::from_rows(pointers, 4); }
};

TEST(Explain, StepsAreThoseOfTheRule) {
  const Rows rows;
  const Explanation explanation = explain(rows.view().reverse(1), Numbers{-1, 1});
  EXPECT_EQ(explanation.index, (Numbers{2, 1}));
  EXPECT_EQ(explanation.value, "12");
  std::vector<StepKind> kinds;
  for (const Step& step : explanation.pointers->steps) kinds.push_back(step.kind);
  EXPECT_EQ(kinds, (std::vector{StepKind::start, StepKind::stride, StepKind::follow,
                                StepKind::suboffset, StepKind::stride}));
  const Step& suboffset = explanation.pointers->steps[3];
  EXPECT_EQ(suboffset.added, 12);
  EXPECT_EQ(pointer_to(suboffset.position), reinterpret_cast<const std::byte*>(&rows.b[3]));
  EXPECT_EQ(explanation.place->leaf, 0);
  EXPECT_EQ(explanation.place->leaves, 2);
  const Step& entry = explanation.offsets->steps[2];
  EXPECT_EQ(entry.entry * entry.unit, 0);
}

TEST(Explain, TextSaysBothWays) {
  const Rows rows;
  const Explanation explanation = explain(rows.view(), Numbers{1, 2});
  const std::string plain = describe(explanation, TextStyle::plain);
  EXPECT_NE(plain.find("element [1, 2] of an array of shape (3, 4), format 'i': 2\n"),
            std::string::npos);
  EXPECT_NE(plain.find("pointers: + 1 * 8: index 1 of axis 0: 0x"), std::string::npos) << plain;
  EXPECT_NE(plain.find("offsets: read the entry there (level 0): 1 * 16: byte 16\n"),
            std::string::npos)
      << plain;
  EXPECT_NE(plain.find("leaf 1 of 2, in segment "), std::string::npos) << plain;
  const std::string aligned = describe(explanation);
  EXPECT_NE(aligned.find("by the exporter's pointers"), std::string::npos);
  EXPECT_NE(aligned.find("by the offset arrays (packed)"), std::string::npos) << aligned;
}

TEST(Explain, JsonEscapesWhatAnExporterSays) {
  const std::array<char, 8> bytes{};
  const ArrayView view(bytes.data(), Format("\"\\\x01\xff{", 8), Layout({{1, 8, 0}}, {0}));
  const std::string json = to_json(explain(view, Numbers{0}));
  EXPECT_NE(json.find(R"("format": "\"\\\u0001\ufffd{")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("value": "0x0000000000000000")"), std::string::npos) << json;
}

TEST(Explain, WrongIndicesAreErrors) {
  const Rows rows;
  const ArrayView view = rows.view();
  expect_error(Errc::invalid_argument, "has 1 number; an element of shape (3, 4) has one for each",
               [&] { explain(view, Numbers{1}); });
  expect_error(Errc::index_out_of_range, "index 4 on axis 1, whose extent is 4", [&] {
    explain(view, Numbers{1, 4});
  });
  expect_error(Errc::index_out_of_range, "index -4 on axis 0", [&] {
    explain(view, Numbers{-4, 0});
  });
  const ArrayView empty = view.slice(0, {0, 0, 1});
  expect_error(Errc::index_out_of_range, "extent is 0", [&] { explain(empty, Numbers{0, 0}); });
}

TEST(Explain, NullsOnTheWayAreErrorsAndOthersAreNotes) {
  Rows rows;
  rows.pointers[2] = nullptr;
  expect_error(Errc::null_pointer, "level 0 of 1 at index [2, :] of shape (3, 4)", [&] {
    explain(rows.view(), Numbers{2, 0});
  });
  const Explanation explanation = explain(rows.view(), Numbers{1, 1});
  EXPECT_EQ(explanation.value, "1");
  EXPECT_FALSE(explanation.offsets);
  EXPECT_NE(explanation.notes.front().find("level 0 of 1 at index [2, :]"), std::string::npos);
}

TEST(Explain, NegativeSuboffsetsAreNoted) {
  const std::array<std::int32_t, 4> row{3, 2, 1, 0};
  const std::array<const std::int32_t*, 1> ends{&row[3]};
  const ArrayView view =
      ArrayView(ends.data(), native_format<std::int32_t>(), Layout({{1, 8, 0}, {4, -4, 1}}, {0, 0}))
          .slice(1, {1, {}, 1});
  const Explanation explanation = explain(view, Numbers{0, 2});
  EXPECT_EQ(explanation.value, "3");
  EXPECT_NE(explanation.notes.front().find("the suboffset -4 of level 1 is negative"),
            std::string::npos);
}

TEST(Explain, TablesOfCallersAreFollowedAndChecked) {
  const Rows rows;
  const DeviceArray array = upload(rows.view(), Device::host());
  const std::array<std::int32_t, 3> entries{1, 2, -1};
  const DeviceBuffer table = DeviceBuffer::from_host(Device::host(), entries.data(), Numbers{3},
                                                     native_format<std::int32_t>());
  const DeviceArray through = array.through(0, table);
  EXPECT_EQ(explain(through, Numbers{0, 3}).value, "3");
  EXPECT_EQ(explain(through, Numbers{1, 3}).value, "13");
  expect_error(Errc::index_out_of_range, "entry -1 of a table", [&] {
    explain(through, Numbers{2, 0});
  });
}

TEST(Explain, AnArrayWithoutAxesIsItsElement) {
  const double number = 2.5;
  const Explanation explanation =
      explain(ArrayView::dense(&number, Numbers{}, native_format<double>()), Numbers{});
  EXPECT_EQ(explanation.value, "2.5");
  EXPECT_EQ(explanation.pointers->steps.size(), 1U);
}

TEST(Explain, ElementsOnADeviceAreNotRead) {
  const ArrayView view(reinterpret_cast<const void*>(std::uintptr_t{4096}), native_format<float>(),
                       Layout({{4, 4, 0}}, {0}), true, MemorySpace::device);
  const Explanation explanation = explain(view, Numbers{3}, {PlacementKind::in_place, {}});
  EXPECT_EQ(explanation.value, "");
  EXPECT_EQ(explanation.pointers->position, 4096U + 12);
}

// ---- Rows of unequal length

struct UnequalRows {
  std::vector<std::int32_t> a{0, 1, 2}, b{10}, c{30, 31, 32, 33, 34};
  std::array<const std::int32_t*, 5> pointers{a.data(), b.data(), nullptr, c.data(), a.data()};
  Numbers lengths{3, 1, 0, 5, 2};
  RaggedView view() const { return RaggedView::from_rows(pointers.data(), lengths); }
};

TEST(ExplainRows, BothWaysLeadToEveryItem) {
  const UnequalRows rows;
  const RaggedView view = rows.view();
  for (std::int64_t row = 0; row < view.rows(); ++row)
    for (std::int64_t item = 0; item < view.length(row); ++item) {
      const Explanation explanation = explain(view, Numbers{row, item});
      const std::int32_t* const element = rows.pointers[static_cast<std::size_t>(row)] + item;
      EXPECT_EQ(explanation.pointers->position, reinterpret_cast<std::uintptr_t>(element));
      EXPECT_EQ(explanation.value, std::to_string(*element));
      EXPECT_EQ(explanation.row_length, view.length(row));
      EXPECT_FALSE(explanation.offsets->is_address);
      EXPECT_EQ(explanation.place->leaves, 3);  // rows 0 and 4 share theirs
      EXPECT_EQ(explanation.place->leaf, row == 4 ? 0 : row == 3 ? 2 : row);
      for (const PlacementKind kind : {PlacementKind::packed, PlacementKind::in_place}) {
        const RaggedArray array = upload(view, Device::host(), {.placement = kind});
        const Explanation uploaded = explain(array, Numbers{row, item - view.length(row)});
        EXPECT_EQ(uploaded.index, (Numbers{row, item}));
        EXPECT_EQ(uploaded.value, explanation.value);
        EXPECT_FALSE(uploaded.pointers);
        if (kind == PlacementKind::packed)
          EXPECT_EQ(uploaded.offsets->position, explanation.offsets->position);
        else
          EXPECT_EQ(uploaded.offsets->position, explanation.pointers->position);
      }
    }
}

TEST(ExplainRows, ASliceAndAFieldAreViews) {
  struct Pair {
    std::int32_t first;
    std::int16_t second;
  };
  const std::vector<Pair> pairs{{1, 2}, {3, 4}, {5, 6}};
  const ArrayView values(pairs.data(), Format("T{i:first:h:second:xx}", sizeof(Pair)),
                         Layout({{3, sizeof(Pair), 0}}, {0}));
  const RaggedArray array = upload(RaggedView::from_offsets(values, Numbers{0, 1, 3}),
                                   Device::host(), {.placement = PlacementKind::packed});
  const RaggedArray view = array.field("second").slice({{}, {}, -1});
  EXPECT_EQ(explain(view, Numbers{0, 1}).value, "6");
  EXPECT_EQ(explain(view, Numbers{1, 0}).value, "2");
}

TEST(ExplainRows, TextAndJsonSayHowLongTheRowIs) {
  const UnequalRows rows;
  const Explanation explanation = explain(rows.view(), Numbers{3, -2});
  const std::string plain = describe(explanation, TextStyle::plain);
  EXPECT_NE(plain.find("element [3, 3] of 5 rows of up to 5 items, format 'i': 33\n"),
            std::string::npos)
      << plain;
  EXPECT_NE(plain.find("row 3 has 5 items\n"), std::string::npos);
  const std::string json = to_json(explanation);
  EXPECT_NE(json.find(R"("shape": [5, null], "row_length": 5)"), std::string::npos) << json;
}

TEST(ExplainRows, AnItemThatItsRowLacksIsAnError) {
  const UnequalRows rows;
  expect_error(Errc::index_out_of_range, "item 1 of row 1, whose length is 1", [&] {
    explain(rows.view(), Numbers{1, 1});
  });
  expect_error(Errc::index_out_of_range, "item 0 of row 2, whose length is 0", [&] {
    explain(upload(rows.view(), Device::host()), Numbers{2, 0});
  });
  expect_error(Errc::index_out_of_range, "index 5 on axis 0", [&] {
    explain(rows.view(), Numbers{5, 0});
  });
  expect_error(Errc::invalid_argument, "has 1 number", [&] { explain(rows.view(), Numbers{1}); });
}

TEST(Explain, AnArrayInPlaceHasAnAddressThatOffsetsCountFrom) {
  const Rows rows;
  const DeviceArray array =
      upload(rows.view(), Device::host(), {.placement = PlacementKind::in_place});
  const std::string words = describe(explain(array, Numbers{1, 2}), TextStyle::plain);
  EXPECT_NE(words.find(": the address that offsets count from: 0x"), std::string::npos) << words;
}

}  // namespace
}  // namespace multibuffer
