#include <multibuffer/multibuffer.hpp>

#include "host/gather/boxes.hpp"
#include "tests/testing/on_device.hpp"
#include "tests/testing/request.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// The cuts, on the host; and gathers in pieces on every backend, those of a backend that this
// machine lacks skipped.

namespace multibuffer {
namespace {

using testing::expect_error;
using testing::Request;
using Numbers = std::vector<std::int64_t>;

/// `planes` pointers to tables of `rows` pointers to rows of `length` numbers, all distinct.
class Planes {
 public:
  Planes(std::int64_t planes, std::int64_t rows, std::int64_t length)
      : shape_{planes, rows, length}, memory_(static_cast<std::size_t>(planes * rows * length)) {
    for (std::size_t i = 0; i < memory_.size(); ++i) memory_[i] = static_cast<std::int32_t>(i);
    for (std::int64_t i = planes * rows; i-- > 0;) rows_.push_back(memory_.data() + i * length);
    for (std::int64_t i = 0; i < planes; ++i) planes_.push_back(rows_.data() + i * rows);
  }
  ArrayView view() const {
    return ArrayView(planes_.data(), Format("i", 4),
                     Layout({{shape_[0], 8, 0}, {shape_[1], 8, 1}, {shape_[2], 4, 2}}, {0, 0, 0}));
  }

 private:
  Numbers shape_;
  std::vector<std::int32_t> memory_;
  std::vector<const std::int32_t*> rows_;
  std::vector<const std::int32_t* const*> planes_;
};

DeviceBuffer at_once(const ArrayView& view, const Request& request) {
  return gather(upload(view, Device::host()), request, request);
}

/// Requests of many kinds for an array of (12, 30, 50), and the index arrays that they borrow.
struct Requests {
  Numbers few{11, 0, -3}, rows{29, 28, 0, 0, 5, -1}, square{1, 7, 3, 11};
  std::vector<std::int32_t> columns{0, 49, 49, 7, 8, 21};
  std::vector<Request> all;

  Requests() {
    const auto add = [&](std::vector<IndexGroup> groups, Order order = Order::C) {
      Request request;
      request.groups = std::move(groups);
      request.order = order;
      all.push_back(std::move(request));
    };
    add({});
    add({}, Order::F);
    add({{{0}, {Indices(few)}, {}}});
    add({{{1}, {Indices(rows)}, {}}}, Order::F);
    add({{{2}, {Indices(columns)}, {}}});
    add({{{0}, {Indices(square, {2, 2})}, {}}});
    add({{{1, 2}, {Indices(rows), Indices(columns)}, {}}});
    add({{{0, 2}, {Indices(few, {3, 1}), Indices(columns)}, {}}});
    add({{{0}, {Indices(few)}, {}}, {{2}, {Indices(columns, {3, 2})}, 0}});
    all.back().mode = IndexMode::wrap;
  }
};

Whole whole_of(const ArrayView& view, const Request& request) {
  Whole whole{view, result_of(view.layout(), request), {}, view.itemsize()};
  for (const IndexGroup& group : request.groups) {
    whole.groups.emplace_back();
    for (std::size_t m = 0; m < group.indices.size(); ++m) {
      const Indices& indices = group.indices[m];
      HostIndices host{{}, indices.shape()};
      std::int64_t count = 1;
      for (const std::int64_t extent : indices.shape()) count *= extent;
      const std::int64_t extent = view.shape()[static_cast<std::size_t>(group.axes[m])];
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t value = indices.bytes_each() == 4
                                       ? static_cast<const std::int32_t*>(indices.data())[i]
                                       : static_cast<const std::int64_t*>(indices.data())[i];
        host.values.push_back(value < 0 ? value + extent : value);
      }
      whole.groups.back().push_back(std::move(host));
    }
  }
  return whole;
}

std::int64_t elements(const Box& box) {
  std::int64_t count = 1;
  for (const Range& range : box) count *= range.size();
  return count;
}

TEST(Slices, BoxesCoverTheResultOnceAndFit) {
  const Planes planes(12, 30, 50);
  const Requests requests;
  for (const Request& request : requests.all) {
    const Whole whole = whole_of(planes.view(), request);
    const Box all = whole_box(whole);
    for (const std::int64_t limit :
         {std::int64_t{3000}, std::int64_t{20'000}, std::int64_t{1} << 40}) {
      const std::vector<Box> boxes = cut(whole, limit);
      std::int64_t covered = 0;
      for (const Box& box : boxes) {
        covered += elements(box);
        EXPECT_LE(bytes_of(whole, box).all(), limit);
        for (std::size_t i = 0; i < box.size(); ++i) {
          EXPECT_LT(box[i].begin, box[i].end);
          EXPECT_LE(box[i].end, all[i].end);
        }
      }
      EXPECT_EQ(covered, elements(all));
      EXPECT_EQ(boxes.size() == 1, bytes_of(whole, all).all() <= limit);
    }
  }
}

TEST(Slices, PartsGatheredOneByOneMakeTheResult) {
  const Planes planes(12, 30, 50);
  const Requests requests;
  for (const Request& request : requests.all) {
    const Whole whole = whole_of(planes.view(), request);
    const DeviceBuffer expected = at_once(planes.view(), request);
    std::vector<std::byte> result(static_cast<std::size_t>(expected.nbytes()));
    for (const Box& box : cut(whole, 5000)) {
      const Part part = part_of(whole, box);
      Request piece;
      for (std::size_t g = 0; g < part.groups.size(); ++g) {
        const ReadyGroup& ready = whole.result.groups[g];
        IndexGroup group{{ready.axes.begin(), ready.axes.end()}, {}, ready.position};
        for (const HostIndices& indices : part.groups[g])
          group.indices.emplace_back(std::span<const std::int64_t>(indices.values), indices.shape);
        piece.groups.push_back(std::move(group));
      }
      std::int64_t offset = 0;
      for (std::size_t i = 0; i < box.size(); ++i) offset += box[i].begin * expected.strides()[i];
      piece.out = Output{result.data() + offset, expected.nbytes() - offset, MemorySpace::host,
                         expected.strides(), nullptr};
      gather(upload(part.view, Device::host()), piece, piece);
    }
    EXPECT_EQ(std::memcmp(result.data(), expected.data(), result.size()), 0);
  }
}

TEST(Slices, FarIndicesBehindAPointerDoNotBringWhatLiesBetween) {
  // One leaf of a million rows, of which two are taken.
  const std::vector<std::byte> memory(16 << 20);
  const std::byte* leaves[] = {memory.data()};
  const ArrayView view(leaves, Format(), Layout({{1, 8, 0}, {1 << 20, 16, 1}, {16, 1, 1}}, {0, 0}));
  const Numbers ends{0, (1 << 20) - 1};
  Request request;
  request.groups = {{{1}, {Indices(ends)}, {}}};
  const Whole whole = whole_of(view, request);
  EXPECT_TRUE(is_sparse(whole, whole_box(whole)));
  const std::vector<Box> boxes = cut(whole, std::int64_t{1} << 40);
  ASSERT_EQ(boxes.size(), 2u);
  for (const Box& box : boxes) EXPECT_EQ(part_of(whole, box).view.nbytes(), 16);
}

TEST(Slices, FarRowsAreCutByRowsAndNotByColumns) {
  // Cut by columns, each piece would still bring what lies between the rows.
  const std::vector<std::byte> memory(4 << 20);
  std::vector<const std::byte*> rows;
  for (std::size_t i = 0; i < 1024; ++i) rows.push_back(memory.data() + i * 4096);
  const ArrayView view(rows.data(), Format(), Layout({{1024, 8, 0}, {4096, 1, 1}}, {0, 0}));
  const Numbers far{1023, 0, 512};
  Request request;
  request.groups = {{{0}, {Indices(far)}, {}}};
  const Whole whole = whole_of(view, request);
  for (const std::int64_t limit : {std::int64_t{1} << 40, std::int64_t{1} << 20}) {
    const std::vector<Box> boxes = cut(whole, limit);
    ASSERT_EQ(boxes.size(), far.size());
    for (const Box& box : boxes) EXPECT_EQ(part_of(whole, box).view.nbytes(), 4096);
  }
  // Many indices, of which each would save little, stay together.
  Numbers many;
  for (std::int64_t i = 0; i < 100; ++i) many.push_back(i * 37 % 100 * 10);
  request.groups = {{{0}, {Indices(many)}, {}}};
  EXPECT_EQ(cut(whole_of(view, request), std::int64_t{1} << 40).size(), 1u);
}

TEST(Slices, ASingleElementIsNotCut) {
  const Planes planes(1, 1, 1);
  const Whole whole = whole_of(planes.view(), {});
  EXPECT_TRUE(halves(whole, whole_box(whole)).empty());
  EXPECT_EQ(cut(whole, 1).size(), 1u);
}

// ---- Every backend

class PiecesTest : public testing::OnDevice {};

TEST_P(PiecesTest, GivesWhatUploadAndGatherGive) {
  const Planes planes(12, 30, 50);
  const Requests requests;
  for (const Request& request : requests.all)
    for (const std::int64_t limit : {8 << 10, 64 << 10, 0}) {
      const DeviceBuffer expected = at_once(planes.view(), request);
      const DeviceBuffer result =
          gather_in_pieces(planes.view(), device(), request, {request, limit});
      EXPECT_EQ(result.device(), Device::host());
      EXPECT_EQ(result.shape(), expected.shape());
      EXPECT_EQ(result.strides(), expected.strides());
      EXPECT_TRUE(result.to_host() == expected.to_host()) << limit;
    }
}

TEST_P(PiecesTest, WritesIntoTheCallersMemoryHereOrThere) {
  const Planes planes(4, 30, 50);
  const std::vector<std::byte> expected = at_once(planes.view(), {}).to_host();
  std::vector<std::int32_t> here(4 * 30 * 60, -1);
  Request request;
  request.out = Output{here.data(),
                       static_cast<std::int64_t>(here.size() * 4),
                       MemorySpace::host,
                       {30 * 60 * 4, 60 * 4, 4},
                       nullptr};
  gather_in_pieces(planes.view(), device(), request, {request, 16 << 10});
  for (std::size_t row = 0; row < 120; ++row) {
    EXPECT_EQ(std::memcmp(here.data() + row * 60, expected.data() + row * 200, 200), 0);
    EXPECT_EQ(here[row * 60 + 50], -1);
  }
  const DeviceBuffer there = copy(upload(planes.view().reverse(0), device()));
  request.out = output_of(there);
  const DeviceBuffer result =
      gather_in_pieces(planes.view(), device(), request, {request, 16 << 10});
  EXPECT_EQ(result.data(), there.data());
  EXPECT_TRUE(result.to_host() == expected);
}

/// The memory behind an `Output` lives as long as a result that points at it, wherever it is.
TEST_P(PiecesTest, TheResultKeepsTheOutputsOwner) {
  const Planes planes(4, 30, 50);
  const std::vector<std::byte> expected = at_once(planes.view(), {}).to_host();
  auto here = std::make_shared<std::vector<std::int32_t>>(4 * 30 * 50);
  auto there = std::make_shared<const DeviceBuffer>(copy(upload(planes.view(), device())));
  const std::weak_ptr<const void> watched[] = {here, there};
  for (const bool is_here : {true, false}) {
    Request request;
    request.out = Output{.data = is_here ? here->data() : static_cast<void*>(there->data()),
                         .bytes = static_cast<std::int64_t>(expected.size()),
                         .space = is_here ? MemorySpace::host : there->view().space(),
                         .strides = {}};
    request.out->owner = is_here ? std::shared_ptr<const void>(std::move(here)) : std::move(there);
    std::optional<DeviceBuffer> result =
        gather_in_pieces(planes.view(), device(), request, {request, 16 << 10});
    EXPECT_EQ(static_cast<const void*>(result->data()), request.out->data);
    request.out.reset();
    const std::weak_ptr<const void>& owner = watched[is_here ? 0 : 1];
    ASSERT_FALSE(owner.expired());
    EXPECT_TRUE(result->to_host() == expected);
    result.reset();
    EXPECT_TRUE(owner.expired());
  }
}

TEST_P(PiecesTest, ReportsBadIndicesAsGatherDoes) {
  const Planes planes(2, 3, 4);
  const Numbers bad{0, 1, 3};
  Request request;
  request.groups = {{{1}, {Indices(bad)}, {}}};
  expect_error(Errc::index_out_of_range, "index 3 at position (2,) on axis 1, whose extent is 3",
               [&] { gather_in_pieces(planes.view(), device(), request, {.gather = request}); });
  expect_error(Errc::index_out_of_range, "3 indices for axis 1, whose extent is 0", [&] {
    gather_in_pieces(planes.view().slice(1, {0, 0, 1}), device(), request, {.gather = request});
  });
}

TEST_P(PiecesTest, ArraysWithoutElementsOrAxes) {
  const Planes planes(2, 3, 4);
  EXPECT_EQ(gather_in_pieces(planes.view().slice(0, {0, 0, 1}), device(), {}).shape(),
            (Numbers{0, 3, 4}));
  const DeviceBuffer one =
      gather_in_pieces(planes.view().index(0, 0).index(0, 0).index(0, 1), device(), {});
  EXPECT_TRUE(one.shape().empty());
  EXPECT_EQ(one.nbytes(), 4);
}

TEST_P(PiecesTest, StopsWhenAskedAndReportsProgress) {
  const Planes planes(12, 30, 50);
  Request request;
  std::int64_t last = 0, all = 0;
  request.watch.progress = [&](std::int64_t done, std::int64_t total) {
    EXPECT_GE(done, last);
    last = done;
    all = total;
  };
  gather_in_pieces(planes.view(), device(), request, {request, 16 << 10});
  EXPECT_EQ(all, 12 * 30 * 50 * 4);
  EXPECT_EQ(last, all);
  std::stop_source stop;
  stop.request_stop();
  request.watch.stop = stop.get_token();
  expect_error(Errc::cancelled, "",
               [&] { gather_in_pieces(planes.view(), device(), request, {.gather = request}); });
}

INSTANTIATE_TEST_SUITE_P(On, PiecesTest, ::testing::Values("host", "cuda"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace multibuffer
