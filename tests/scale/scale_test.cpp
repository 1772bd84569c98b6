// Sizes beyond 32 bits: elements, offsets, pointers, rows, axes and calls. Memory that is read and
// never written is pages of zeros, which take no memory, and tables are one page mapped many times.

#include <multibuffer/multibuffer.hpp>

#include "host/support/rounding.hpp"
#include "host/support/sanitizers.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <new>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace multibuffer {
namespace {

using testing::expect_error;

constexpr std::int64_t KiB = 1 << 10;
constexpr std::int64_t MiB = 1 << 20;
constexpr std::int64_t GiB = 1 << 30;

/// Address space of zeros. What is written takes memory.
class Sparse {
 public:
  explicit Sparse(std::int64_t size) : size_(static_cast<std::size_t>(size)) {
    void* const memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<std::byte*>(memory);
  }
  ~Sparse() { munmap(data_, size_); }
  Sparse(const Sparse&) = delete;
  Sparse& operator=(const Sparse&) = delete;

  std::byte* at(std::int64_t offset) const { return data_ + offset; }
  void mark(std::int64_t offset, int value) const { data_[offset] = static_cast<std::byte>(value); }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_;
};

/// The same 2 MiB again and again, up to `size`.
class Repeated {
 public:
  static constexpr std::int64_t period = 2 * MiB;

  explicit Repeated(std::int64_t size) : all_(size) {
    const int file = memfd_create("repeated", 0);
    if (file < 0 || ftruncate(file, period) != 0) throw std::bad_alloc();
    for (std::int64_t offset = 0; offset < size; offset += period)
      if (mmap(all_.at(offset), period, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) ==
          MAP_FAILED)
        throw std::bad_alloc();
    close(file);
  }
  template <class T>
  T* first() const {
    return reinterpret_cast<T*>(all_.at(0));
  }

 private:
  Sparse all_;
};

/// Whether this machine has so much memory to spare.
bool has_free(std::int64_t size) {
  std::ifstream info("/proc/meminfo");
  for (std::string name; info >> name;)
    if (name == "MemAvailable:") {
      std::int64_t kib = 0;
      info >> kib;
      return kib * KiB > size + size / 4;
    }
  return false;
}

std::int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t all = 0;
  std::int64_t resident = 0;
  statm >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

DeviceArray in_place(const ArrayView& view) {
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  options.owner = std::make_shared<int>(0);
  return upload(view, Device::open("host"), options);
}

std::vector<int> numbers_of(const DeviceBuffer& buffer) {
  std::vector<int> numbers;
  for (const std::byte element : buffer.to_host()) numbers.push_back(std::to_integer<int>(element));
  return numbers;
}

// Elements.

TEST(Scale, RowsOfEightGiB) {
  constexpr std::int64_t length = 8 * GiB + 5;
  const Sparse memory(3 * length);
  std::vector<const std::uint8_t*> rows;
  for (const int row : {1, 2, 0}) {  // no stride leads from row to row
    const std::int64_t begin = row * length;
    memory.mark(begin, 10 * row + 1);
    memory.mark(begin + 5 * GiB, 10 * row + 2);
    memory.mark(begin + length - 1, 10 * row + 3);
    rows.push_back(reinterpret_cast<const std::uint8_t*>(memory.at(begin)));
  }
  const ArrayView view = ArrayView::from_rows(rows, length);
  EXPECT_EQ(view.nbytes(), 3 * length);
  const DeviceArray array = in_place(view);

  const std::array<std::int64_t, 4> columns{length - 1, 0, 5 * GiB, -length};
  EXPECT_EQ(numbers_of(take(array, 1, Indices(columns))),
            (std::vector{13, 11, 12, 11, 23, 21, 22, 21, 3, 1, 2, 1}));
  // From both ends, by steps that are beyond 32 bits themselves.
  EXPECT_EQ(numbers_of(copy(array.slice(1, {{}, {}, 5 * GiB}))),
            (std::vector{11, 12, 21, 22, 1, 2}));
  EXPECT_EQ(numbers_of(copy(array.reverse(1).slice(1, {{}, {}, length - 1}))),
            (std::vector{13, 11, 23, 21, 3, 1}));
  const std::array<std::int64_t, 1> beyond{length};
  expect_error(Errc::index_out_of_range, "8589934597", [&] { take(array, 1, Indices(beyond)); });
}

TEST(Scale, ResultsOfMoreThanTwoToThe31Elements) {
  constexpr std::int64_t length = 5 * GiB / 4;
  if (!has_free(2 * length)) GTEST_SKIP() << "needs 2.5 GiB of free memory";
  const Sparse memory(2 * length);
  memory.mark(0, 1);
  memory.mark(length - 1, 2);
  memory.mark(length, 3);
  memory.mark(2 * length - 1, 4);
  const auto* const first = reinterpret_cast<const std::uint8_t*>(memory.at(0));
  const std::array<const std::uint8_t*, 2> rows{first + length, first};
  for (const PlacementKind placement : {PlacementKind::in_place, PlacementKind::preserved}) {
    if (placement != PlacementKind::in_place && !has_free(4 * length)) continue;
    UploadOptions options;
    options.placement = placement;
    options.owner = std::make_shared<int>(0);
    const DeviceArray array =
        upload(ArrayView::from_rows(rows, length), Device::open("host"), options);
    const DeviceBuffer result = copy(array.reverse(1));
    ASSERT_EQ(result.nbytes(), 2 * length);
    const std::byte* const data = result.data();
    EXPECT_EQ(std::count(data, data + 2 * length, std::byte{0}), 2 * length - 4);
    EXPECT_EQ(data[0], std::byte{4});
    EXPECT_EQ(data[length - 1], std::byte{3});
    EXPECT_EQ(data[length], std::byte{2});
    EXPECT_EQ(data[2 * length - 1], std::byte{1});
  }
}

TEST(Scale, MoreThanTwoToThe31IndicesOfRowsOfOneByte) {
  constexpr std::int64_t count = 2 * GiB + Repeated::period / 4 + 3;
  if (!has_free(count)) GTEST_SKIP() << "needs 2 GiB of free memory";
  const Repeated indices(round_up(4 * count, Repeated::period));
  constexpr std::int64_t distinct = Repeated::period / 4;
  for (std::int64_t i = 0; i < distinct; ++i)
    indices.first<std::int32_t>()[i] = static_cast<std::int32_t>(i * 7 % 251);
  std::vector<std::uint8_t> elements(251);
  std::iota(elements.begin(), elements.end(), std::uint8_t{1});
  std::vector<const std::uint8_t*> rows;
  for (const std::uint8_t& element : elements) rows.push_back(&element);
  std::swap(rows[3], rows[200]);
  const DeviceArray array = in_place(ArrayView::from_rows(rows, 1));
  const DeviceBuffer result =
      take(array, 0, Indices(std::span(indices.first<const std::int32_t>(), std::size_t{count})));
  ASSERT_EQ(result.nbytes(), count);
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto row = static_cast<std::size_t>(i % distinct * 7 % 251);
    wrong += result.data()[i] != static_cast<std::byte>(*rows[row]);
  }
  EXPECT_EQ(wrong, 0);
}

// Pointers.

/// Rows of 3 int32: of row i all are i.
struct ManyRows {
  explicit ManyRows(std::int64_t count) : numbers(static_cast<std::size_t>(3 * count)) {
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::int32_t>(i / 3);
  }
  const std::int32_t* row(std::int64_t i) const { return numbers.data() + 3 * i; }
  std::vector<std::int32_t> numbers;
};

/// Which of so many rows a pointer leads to, by no stride.
std::int64_t shuffled(std::int64_t i, std::int64_t rows) { return i % rows * 7919 % rows; }

TEST(Scale, AHundredMillionPointersToRowsOfTheirOwn) {
  // A sanitizer's build sorts them without optimisation, which takes more than seven minutes.
  constexpr std::int64_t count = has_sanitizer ? 10'000'000 : 100'000'000;
  if (!has_free(count * 60)) GTEST_SKIP() << "needs 6 GB of free memory";
  const ManyRows rows(count);
  std::vector<const std::int32_t*> pointers(count);
  for (std::int64_t i = 0; i < count; ++i)
    pointers[static_cast<std::size_t>(i)] = rows.row(shuffled(i, count));
  const DeviceArray array = upload(ArrayView::from_rows(pointers, 3), Device::open("host"));
  const std::array<std::int64_t, 4> indices{count - 1, 0, 2'345'678, -2};
  const std::vector<std::int32_t> taken = take(array, 0, Indices(indices)).to_host<std::int32_t>();
  std::vector<std::int32_t> expected;
  for (const std::int64_t i : indices)
    expected.insert(expected.end(), 3,
                    static_cast<std::int32_t>(shuffled(i < 0 ? i + count : i, count)));
  EXPECT_EQ(taken, expected);
}

TEST(Scale, MoreThanFourGiBOfOffsets) {
  constexpr std::int64_t slots = Repeated::period / 8;
  constexpr std::int64_t count = GiB / 2 + slots;
  if (!has_free(8 * count)) GTEST_SKIP() << "needs 4 GiB of free memory";
  const ManyRows rows(slots);
  const Repeated table(8 * count);
  for (std::int64_t i = 0; i < slots; ++i)
    table.first<const std::int32_t*>()[i] = rows.row(shuffled(i, slots));
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  options.simplify.narrow = false;
  options.owner = std::make_shared<int>(0);
  const DeviceArray array =
      upload(ArrayView::from_rows(table.first<const std::int32_t* const>(), count, 3),
             Device::open("host"), options);
  EXPECT_GE(array.storage_bytes(), 4 * GiB);
  const std::array<std::int64_t, 3> indices{count - 1, GiB / 2 + 5, 5};
  const std::vector<std::int32_t> taken = take(array, 0, Indices(indices)).to_host<std::int32_t>();
  std::vector<std::int32_t> expected;
  for (const std::int64_t i : indices)
    expected.insert(expected.end(), 3, static_cast<std::int32_t>(shuffled(i, slots)));
  EXPECT_EQ(taken, expected);
}

// Axes.

TEST(Scale, SixtyFourAxesWithATableInTheirMidst) {
  constexpr int ndim = max_axes;
  std::array<std::int64_t, ndim> shape{};
  std::array<std::int64_t, ndim> strides{};
  std::array<std::int64_t, ndim> suboffsets{};
  for (std::size_t axis = 0; axis < ndim; ++axis) shape[axis] = axis % 5 == 0 ? 2 : 1;
  std::int64_t table_bytes = 8;
  std::int64_t leaf_bytes = 4;
  for (std::size_t axis = ndim; axis-- > 0;) {
    std::int64_t& size = axis < ndim / 2 ? table_bytes : leaf_bytes;
    strides[axis] = size;
    suboffsets[axis] = -1;
    size *= shape[axis];
  }
  suboffsets[ndim / 2 - 1] = 4;  // a header before each leaf
  const std::int64_t leaf = leaf_bytes / 4;
  std::vector<std::int32_t> leaves(static_cast<std::size_t>(table_bytes / 8 * (leaf + 1)));
  std::iota(leaves.begin(), leaves.end(), 0);
  std::vector<const std::int32_t*> table;
  for (std::int64_t i = 0; i < table_bytes / 8; ++i)
    table.push_back(leaves.data() + (i * 5 % (table_bytes / 8)) * (leaf + 1));
  BufferExport source;
  source.buf = table.data();
  source.itemsize = 4;
  source.ndim = ndim;
  source.format = "i";
  source.shape = shape.data();
  source.strides = strides.data();
  source.suboffsets = suboffsets.data();

  std::vector<ViewOperation> operations;
  for (int axis = 0; axis < ndim; axis += 5) operations.push_back(SliceAxis{axis, {{}, {}, -1}});
  Permute backwards;
  for (int axis = ndim; axis-- > 0;) backwards.axes.push_back(axis);
  operations.push_back(backwards);
  const reference::Result expected = reference::gather(source, operations);
  DeviceArray array = upload(ArrayView::from_export(source), Device::open("host"));
  for (const ViewOperation& operation : operations) array = array.apply(operation);
  EXPECT_EQ(array.ndim(), ndim);
  EXPECT_TRUE(verify(copy(array), expected.bytes).equal());
  expect_error(Errc::invalid_argument, "64", [&] { array.insert_axis(0); });
}

// Calls.

TEST(Scale, MemoryIsFlatOverManySmallCalls) {
  if (has_sanitizer) GTEST_SKIP() << "a sanitizer keeps memory that was freed";
  const char* const asked = std::getenv("MULTIBUFFER_TEST_CALLS");
  const std::int64_t calls = asked ? std::strtoll(asked, nullptr, 10) : 1'000'000;
  const ManyRows rows(1000);
  std::vector<const std::int32_t*> pointers;
  for (std::int64_t i = 0; i < 1000; ++i) pointers.push_back(rows.row(shuffled(i, 1000)));
  const DeviceArray array = upload(ArrayView::from_rows(pointers, 3), Device::open("host"));
  std::int64_t wrong = 0;
  const auto call = [&](std::int64_t i) {
    const std::array<std::int64_t, 2> indices{i % 1000, 7};
    const DeviceBuffer result = take(array, 0, Indices(indices));
    wrong += result.as_span<const std::int32_t>()[0] != shuffled(i % 1000, 1000);
  };
  for (std::int64_t i = 0; i < 10'000; ++i) call(i);
  const std::int64_t before = resident_bytes();
  for (std::int64_t i = 0; i < calls; ++i) call(i);
  EXPECT_EQ(wrong, 0);
  EXPECT_LT(resident_bytes() - before, MiB);
}

}  // namespace
}  // namespace multibuffer
