#include <multibuffer/access.hpp>
#include <multibuffer/dlpack.hpp>
#include <multibuffer/gather.hpp>
#include <multibuffer/update.hpp>
#include <multibuffer/verify.hpp>

#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <array>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace multibuffer {
namespace {

using testing::expect_error;
using Shape = std::vector<std::int64_t>;

template <class T>
DeviceBuffer buffer_of(const std::vector<T>& values, const Shape& shape,
                       const Format& format = native_format<T>()) {
  return DeviceBuffer::from_host(Device::host(), values.data(), shape, format);
}

std::vector<std::int32_t> counting(std::size_t size) {
  std::vector<std::int32_t> values(size);
  std::iota(values.begin(), values.end(), 0);
  return values;
}

// ---- Elements as values of a type

template <class T>
class TypedResult : public ::testing::Test {};
using Types =
    ::testing::Types<bool, std::int8_t, std::uint8_t, std::byte, std::int16_t, std::uint16_t,
                     std::int32_t, std::uint32_t, std::int64_t, std::uint64_t, long long, float,
                     double, long double, std::complex<float>, std::complex<double>>;
TYPED_TEST_SUITE(TypedResult, Types);

TYPED_TEST(TypedResult, ComesAsWhatWasPutIn) {
  const TypeParam data[] = {static_cast<TypeParam>(1), static_cast<TypeParam>(0),
                            static_cast<TypeParam>(1)};
  const TypeParam* const rows[] = {data, data + 1};
  const DeviceArray array = upload(ArrayView::from_rows(rows, 2), Device::host());
  const DeviceBuffer result = copy(array);
  const std::vector<TypeParam> expected{data[0], data[1], data[1], data[2]};
  EXPECT_EQ(result.to_host<TypeParam>(), expected);
  const std::span<const TypeParam> seen = result.as_span<const TypeParam>();
  EXPECT_EQ(std::vector<TypeParam>(seen.begin(), seen.end()), expected);
  EXPECT_EQ(static_cast<const void*>(seen.data()), result.data());
}

TEST(TypedResults, RefuseAnotherTypeAndNameBoth) {
  const DeviceBuffer result = buffer_of(counting(4), {4});
  const auto both = [](const char* own, const char* wanted) {
    return std::string("'") + own + "' are not of the type asked for, '" + wanted + "'";
  };
  expect_error(Errc::format_unsupported, both("i", "f"), [&] { result.to_host<float>(); });
  expect_error(Errc::format_unsupported, both("i", "I"), [&] { result.to_host<std::uint32_t>(); });
  expect_error(Errc::format_unsupported, both("i", "q"), [&] { result.as_span<std::int64_t>(); });
  const DeviceBuffer swapped = result.reinterpret(Format(">i", 4));
  expect_error(Errc::format_unsupported, both(">i", "i"), [&] { swapped.to_host<std::int32_t>(); });
  const DeviceBuffer opaque = result.reinterpret(Format("?!", 4));
  expect_error(Errc::format_unsupported, both("?!", "i"), [&] { opaque.to_host<std::int32_t>(); });
  const DeviceBuffer pair = result.reinterpret(Format("T{h:a:h:b:}", 4));
  expect_error(Errc::format_unsupported, "T{h:a:h:b:}", [&] { pair.to_host<std::int32_t>(); });
}

TEST(TypedResults, TakeOtherSpellingsOfTheType) {
  const DeviceBuffer result = buffer_of(counting(4), {4});
  for (const char* spelling : {"<i", "=i", "@i", "<l"})
    EXPECT_EQ(result.reinterpret(Format(spelling, 4)).to_host<std::int32_t>(), counting(4));
}

TEST(TypedResults, ComeInCOrderWhateverTheStrides) {
  const DeviceArray array =
      upload(ArrayView::dense(counting(6).data(), Shape{2, 3}, Format("i", 4)), Device::host());
  const DeviceBuffer columns = copy(array, {.order = Order::F});
  EXPECT_EQ(columns.to_host<std::int32_t>(), counting(6));
  expect_error(Errc::invalid_argument, "C order", [&] { columns.as_span<std::int32_t>(); });
}

TEST(TypedResults, ASpanNeedsAnAlignedAddress) {
  const DeviceBuffer bytes = buffer_of(std::vector<std::uint8_t>(9), {9});
  const DeviceArray array =
      upload(ArrayView::dense(counting(2).data(), Shape{2}, Format("i", 4)), Device::host());
  GatherOptions request;
  request.out = Output{.data = bytes.data() + 1, .bytes = 8, .memory = nullptr};
  const DeviceBuffer result = copy(array, request);
  expect_error(Errc::invalid_argument, "not a multiple of 4 bytes",
               [&] { result.as_span<std::int32_t>(); });
  EXPECT_EQ(result.to_host<std::int32_t>(), counting(2));
}

TEST(TypedResults, CopyIntoMemoryOfTheirSize) {
  const DeviceBuffer result = buffer_of(counting(3), {3});
  std::array<std::int32_t, 3> here{};
  result.copy_to_host(std::as_writable_bytes(std::span(here)));
  EXPECT_EQ(here[2], 2);
  expect_error(Errc::invalid_argument, "memory of 8 bytes for a buffer of 12",
               [&] { result.copy_to_host(std::as_writable_bytes(std::span(here)).first(8)); });
}

// ---- The same memory under another format

TEST(Reinterpreted, BuffersKeepTheirMemory) {
  std::optional<DeviceBuffer> buffer = buffer_of(counting(6), {2, 3});
  const std::byte* const data = buffer->data();
  const DeviceBuffer seen = buffer->reinterpret(Format("h", 2), {3, 2}, {8, 4});
  buffer.reset();
  EXPECT_EQ(seen.data(), data);
  EXPECT_EQ(seen.to_host<std::int16_t>(), (std::vector<std::int16_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(seen.shape(), (Shape{3, 2}));
}

TEST(Reinterpreted, ElementsMayNotLieOutside) {
  const DeviceBuffer buffer = buffer_of(counting(6), {2, 3});
  expect_error(Errc::invalid_argument, "bytes 0 to 28 of a buffer that has 0 to 24",
               [&] { buffer.reinterpret(Format("i", 4), {7}, {4}); });
  expect_error(Errc::invalid_argument, "bytes -4 to 4",
               [&] { buffer.reinterpret(Format("i", 4), {2}, {-4}); });
  expect_error(Errc::invalid_argument, "1 strides", [&] {
    buffer.reinterpret(Format("i", 4), {2, 3}, {4});
  });
  expect_error(Errc::invalid_argument, "of 2 bytes for elements of 4",
               [&] { buffer.reinterpret(Format("h", 2)); });
  EXPECT_EQ(buffer.reinterpret(Format("q", 8), {0, 9}, {800, -8}).size(), 0);
}

// ---- An array without tables is a buffer

ArrayView grid(const std::vector<std::int32_t>& values) {
  return ArrayView::dense(values.data(), Shape{3, 4}, Format("i", 4));
}

// Found by fuzzing: the product of the other extents overflowed.
TEST(AsBuffer, HasNoElementsWhateverTheOtherExtents) {
  const std::array<std::int64_t, 3> shape{std::int64_t{1} << 62, 4, 0};
  const DeviceArray array =
      upload(ArrayView::dense(nullptr, shape, Format("i", 4)), Device::host());
  EXPECT_EQ(copy(array).size(), 0);
  EXPECT_EQ(copy(array).nbytes(), 0);
  EXPECT_TRUE(copy(array).to_host().empty());
}

TEST(AsBuffer, HasTheElementsOfEveryView) {
  const std::vector<std::int32_t> values = counting(12);
  const DeviceArray array = upload(grid(values), Device::host());
  const int swapped[] = {1, 0};
  for (const DeviceArray& view :
       {array, array.reverse(0).reverse(1), array.permute(swapped), array.slice(1, {1, 4, 2}),
        array.index(0, 2), array.index(0, 1).index(0, -1), array.insert_axis(1),
        array.slice(0, {3, 3, 1})}) {
    const std::optional<DeviceBuffer> buffer = view.as_buffer();
    ASSERT_TRUE(buffer);
    EXPECT_EQ(buffer->shape(), view.shape());
    EXPECT_TRUE(buffer->readonly());
    EXPECT_TRUE(buffer->view().readonly());
    EXPECT_EQ(buffer->to_host<std::int32_t>(), copy(view).to_host<std::int32_t>());
  }
}

TEST(AsBuffer, ASpanWhereTheElementsAreDense) {
  const std::vector<std::int32_t> values = counting(12);
  const DeviceArray array = upload(grid(values), Device::host());
  const std::span<const std::int32_t> row = array.index(0, 1).as_span<std::int32_t>();
  EXPECT_EQ(std::vector(row.begin(), row.end()), (std::vector<std::int32_t>{4, 5, 6, 7}));
  expect_error(Errc::invalid_argument, "C order",
               [&] { array.index(1, 1).as_span<std::int32_t>(); });
  expect_error(Errc::format_unsupported, "'f'", [&] { array.as_span<float>(); });
  expect_error(Errc::invalid_argument, "read-only",
               [&] { array.as_buffer()->as_span<std::int32_t>(); });
}

TEST(AsBuffer, RowsThatBecomeEvenlySpacedNeedNoTable) {
  const std::vector<std::int32_t> a = counting(5), b = counting(5), c = counting(5);
  const std::array<const std::int32_t*, 3> rows{b.data(), c.data(), a.data()};
  const ArrayView view = ArrayView::from_rows(rows, 5);
  const DeviceArray packed = upload(view, Device::host(), {.placement = PlacementKind::packed});
  ASSERT_TRUE(packed.as_buffer());
  EXPECT_EQ(packed.as_buffer()->strides(), (Shape{20, 4}));
  EXPECT_EQ(packed.as_span<std::int32_t>().size(), 15);
}

TEST(AsBuffer, ATableStandsInTheWay) {
  const std::vector<std::int32_t> a = counting(5), b = counting(5);
  const std::array<const std::int32_t*, 5> rows{a.data(), b.data(), a.data(), a.data(), b.data()};
  const DeviceArray array =
      upload(ArrayView::from_rows(rows, 5), Device::host(), {.simplify = {.flatten = false}});
  EXPECT_FALSE(array.as_buffer());
  EXPECT_FALSE(array.index(0, 0).as_buffer());
  expect_error(Errc::invalid_argument, "behind pointer tables",
               [&] { array.as_span<std::int32_t>(); });
}

TEST(AsBuffer, KeepsTheMemoryAndShowsUpdates) {
  const std::vector<std::int32_t> values = counting(12), others(12, 7);
  std::optional<DeviceArray> array = upload(grid(values), Device::host());
  const DeviceBuffer buffer = *array->index(0, 1).as_buffer();
  EXPECT_EQ(buffer.to_host<std::int32_t>(), (std::vector<std::int32_t>{4, 5, 6, 7}));
  update(*array, grid(others));
  EXPECT_EQ(buffer.to_host<std::int32_t>(), std::vector<std::int32_t>(4, 7));
  array.reset();
  EXPECT_EQ(buffer.to_host<std::int32_t>(), std::vector<std::int32_t>(4, 7));
}

TEST(AsBuffer, KeepsTheOwnerOfAnArrayInPlace) {
  const auto values = std::make_shared<std::vector<std::int32_t>>(counting(12));
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  options.owner = values;
  std::optional<DeviceBuffer> buffer =
      upload(grid(*values), Device::host(), options).reverse(1).as_buffer();
  options.owner.reset();
  ASSERT_TRUE(buffer);
  EXPECT_EQ(static_cast<const void*>(buffer->data()), values->data() + 3);
  EXPECT_EQ(buffer->strides(), (Shape{16, -4}));
  EXPECT_EQ(values.use_count(), 2);
  buffer.reset();
  EXPECT_EQ(values.use_count(), 1);
}

TEST(AsBuffer, LeavesOfSeveralBlocksAreABufferOnTheHost) {
  const std::vector<std::int32_t> values = counting(12), more = counting(12);
  const std::array<const std::int32_t*, 1> first{values.data()};
  const std::array<const std::int32_t*, 2> both{values.data(), more.data()};
  const DeviceArray one =
      upload(ArrayView::from_rows(first, 12), Device::host(), {.keep_sources = true});
  ASSERT_TRUE(one.as_buffer());
  EXPECT_EQ(one.as_buffer()->to_host<std::int32_t>(), values);
  const auto buffer = update_pointers(one, ArrayView::from_rows(both, 12)).as_buffer();
  ASSERT_TRUE(buffer);
  std::vector<std::int32_t> all = values;
  all.insert(all.end(), more.begin(), more.end());
  EXPECT_EQ(buffer->to_host<std::int32_t>(), all);
}

TEST(AsBuffer, FieldsAreBuffersOfTheirOwnStride) {
  struct Pair {
    std::int32_t x;
    double y;
  };
  const Pair pairs[] = {{1, 0.5}, {2, 1.5}};
  const ArrayView view = ArrayView::dense(pairs, Shape{2}, Format("T{i:x:4xd:y:}", sizeof(Pair)));
  const DeviceBuffer y = *upload(view, Device::host()).field("y").as_buffer();
  EXPECT_EQ(y.to_host<double>(), (std::vector<double>{0.5, 1.5}));
  const DeviceBuffer x = *upload(view, Device::host()).field("x").as_buffer();
  EXPECT_EQ(x.to_host<std::int32_t>(), (std::vector<std::int32_t>{1, 2}));
}

TEST(AsBuffer, NobodyWritesToIt) {
  const std::vector<std::int32_t> values = counting(12);
  const DeviceArray array = upload(grid(values), Device::host());
  const DeviceBuffer buffer = *array.as_buffer();
  expect_error(Errc::invalid_argument, "read-only", [&] { output_of(buffer); });
  expect_error(Errc::invalid_argument, "read-only", [&] { Access({}, {}, {buffer}); });
  const Access reading({}, {buffer});
  // Nor by its address.
  GatherOptions request;
  request.out = Output{.data = buffer.data(), .bytes = 48};
  expect_error(Errc::invalid_argument, "overlaps the array", [&] { copy(array, request); });
}

TEST(AsBuffer, GoesOutByDlpackReadOnly) {
  const std::vector<std::int32_t> values = counting(12);
  const DeviceArray array = upload(grid(values), Device::host());
  expect_error(Errc::invalid_argument, "read-only", [&] { dlpack::to_legacy(*array.as_buffer()); });
  dlpack::ManagedTensorVersioned* const tensor =
      dlpack::to_versioned(*array.reverse(0).as_buffer());
  EXPECT_EQ(tensor->flags, dlpack::flag_read_only);
  EXPECT_EQ(tensor->tensor.strides[0], -4);
  EXPECT_EQ(static_cast<const std::int32_t*>(tensor->tensor.data)[0], 8);
  tensor->deleter(tensor);
}

TEST(AsBuffer, DlpackNeedsStridesOfWholeElements) {
  struct [[gnu::packed]] Triple {
    std::uint32_t a;
    std::uint8_t b;
    std::uint8_t c;
  };
  const Triple triples[2] = {};
  const ArrayView view = ArrayView::dense(triples, Shape{2}, Format("<T{I:a:B:b:B:c:}", 6));
  const DeviceArray array = upload(view, Device::host());
  expect_error(Errc::format_unsupported, "axis 0, 6 bytes, is no multiple of 4",
               [&] { dlpack::to_versioned(*array.field("a").as_buffer()); });
  dlpack::ManagedTensorVersioned* const bytes = dlpack::to_versioned(*array.field("c").as_buffer());
  EXPECT_EQ(bytes->tensor.strides[0], 6);
  bytes->deleter(bytes);
}

}  // namespace
}  // namespace multibuffer
