#include <multibuffer/multibuffer.hpp>

#include "host/support/text.hpp"
#include "tests/testing/cases.hpp"
#include "tests/testing/random_array.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <utility>

// Element views at every index of random arrays, after random views, against the reference. Formats
// are any, and addresses odd: elements are read as bytes.

namespace multibuffer::testing {
namespace {

constexpr int most_axes = 7;

/// How many arrays with elements were read through so many tables.
std::array<int, 4> read_through = {};

/// What is expected, and whether an element is it.
struct Expected {
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;
  std::size_t itemsize = 1;

  void compare(const std::byte& element, std::int64_t position, const char* way) const {
    const std::byte* wanted = bytes.data() + static_cast<std::size_t>(position) * itemsize;
    if (std::memcmp(&element, wanted, itemsize) != 0)
      throw std::runtime_error(text("element ", position, " is another one by ", way));
  }
};

/// The indices of a position in C order.
template <std::size_t Rank>
std::array<std::int64_t, Rank> indices_of(std::int64_t position,
                                          const std::vector<std::int64_t>& shape) {
  std::array<std::int64_t, Rank> indices{};
  for (std::size_t axis = Rank; axis-- > 0; position /= shape[axis])
    indices[axis] = position % shape[axis];
  return indices;
}

template <int Rank, int Levels>
void check_elements(const ElementView<const std::byte, Rank, Levels>& view,
                    const Expected& expected) {
  for (std::int64_t at = 0; at < view.size(); ++at) {
    const auto indices = indices_of<static_cast<std::size_t>(Rank)>(at, expected.shape);
    const auto read = [&](auto... index) -> const std::byte& { return view(index...); };
    expected.compare(std::apply(read, indices), at, "its indices");
    expected.compare(view.at_linear(at), at, "its position");
  }
}

template <int Rank, int Levels>
void check_rows(const ElementView<const std::byte, Rank, Levels>& view, const Expected& expected) {
  if constexpr (Rank > 0) {
    if (!view.has_rows() || view.size() == 0) return;
    const std::int64_t length = view.extent(Rank - 1);
    for (std::int64_t number = 0; number < view.size() / length; ++number) {
      const auto indices =
          indices_of<static_cast<std::size_t>(Rank)>(number * length, expected.shape);
      const auto read = [&](const auto&... index) {
        const std::array<std::int64_t, static_cast<std::size_t>(Rank)> all{index...};
        return [&]<std::size_t... axis>(std::index_sequence<axis...>) {
          return view.row(all[axis]...);
        }
        (std::make_index_sequence<static_cast<std::size_t>(Rank - 1)>());
      };
      const RowView<const std::byte> row = std::apply(read, indices);
      if (row.data() != view.row_linear(number).data()) throw std::runtime_error("another row");
      std::int64_t at = number * length;
      for (const std::byte& element : row) expected.compare(element, at++, "its row");
      if (row.size() != length) throw std::runtime_error("a row of another length");
    }
  }
}

/// Forwards, backwards, and by jumps that end everywhere.
template <class Iterator>
void check_iterator(Iterator begin, Iterator end, std::int64_t size, const Expected& expected,
                    const char* way) {
  if (end - begin != size) throw std::runtime_error(text("another distance by ", way));
  Iterator it = begin;
  for (std::int64_t at = 0; at < size; ++at, ++it) expected.compare(*it, at, way);
  if (it != end) throw std::runtime_error(text("another end by ", way));
  for (std::int64_t at = size; at-- > 0;) expected.compare(*--it, at, way);
  if (it != begin) throw std::runtime_error(text("another beginning by ", way));
  for (std::int64_t i = 0, at = 0; i < size; ++i) {
    const std::int64_t to = (at + 1 + i * 7) % size;
    it += to - at;
    at = to;
    expected.compare(*it, at, way);
    expected.compare(begin[at], at, way);
    if (it - begin != at || (it < end) != true) throw std::runtime_error(text("order by ", way));
    if (i % 3 == 0 && at + 1 < size) expected.compare(*++it, ++at, way);
    if (i % 5 == 0 && at > 0) expected.compare(*--it, --at, way);
  }
}

template <int Rank, int Levels>
void check_view(const ElementView<const std::byte, Rank, Levels>& view, const Expected& expected) {
  for (int axis = 0; axis < Rank; ++axis)
    if (view.extent(axis) != expected.shape[static_cast<std::size_t>(axis)])
      throw std::runtime_error("another shape");
  check_elements(view, expected);
  check_rows(view, expected);
  check_iterator(begin(view), end(view), view.size(), expected, "the host's iterator");
  check_iterator(device_begin(view), device_end(view), view.size(), expected,
                 "the device's iterator");
}

void check_rows_view(const DeviceArray& array, const Expected& expected) {
  if (array.ndim() != 2 || array.layout().levels() > 1 ||
      array.layout().axes()[1].level != array.layout().levels())
    return;
  const auto view = rows<std::byte>(array);
  std::int64_t at = 0;
  for (const RowView<const std::byte> row : view)
    for (const std::byte& element : row) expected.compare(element, at++, "the view of rows");
  if (at != expected.shape[0] * expected.shape[1]) throw std::runtime_error("not all rows");
}

template <int Rank>
void check_rank(const DeviceArray& array, const Expected& expected) {
  if constexpr (Rank < most_axes)
    if (array.ndim() != Rank) return check_rank<Rank + 1>(array, expected);
  if (array.layout().levels() > 3) return;
  if (!expected.bytes.empty()) ++read_through[static_cast<std::size_t>(array.layout().levels())];
  visit_elements<std::byte, Rank>(array, [&](const auto& view) { check_view(view, expected); });
  check_view(elements<std::byte, Rank, 3>(array), expected);
}

void check(std::uint64_t seed, const ArrayOptions& options) {
  Random random(seed);
  const RandomArray source(random, options);
  const auto operations = random_operations(random, source.shape(), random.between(0, 4));
  const auto early =
      static_cast<std::size_t>(random.between(0, static_cast<int>(operations.size())));
  UploadOptions upload_options;
  upload_options.placement = random.pick({PlacementKind::automatic, PlacementKind::packed,
                                          PlacementKind::preserved, PlacementKind::in_place});
  upload_options.simplify = {random.chance(50), random.chance(50), random.chance(70)};

  ArrayView view = ArrayView::from_export(source.source());
  for (std::size_t i = 0; i < early; ++i) view = view.apply(operations[i]);
  DeviceArray array = upload(view, Device::host(), upload_options);
  for (std::size_t i = early; i < operations.size(); ++i) array = array.apply(operations[i]);
  const reference::Result result = reference::gather(source.source(), operations);
  const Expected expected{result.shape, result.bytes, static_cast<std::size_t>(array.itemsize())};

  // The first byte of each element is where the element is.
  const DeviceArray bytes = array.reinterpret(0, Format());
  if (bytes.ndim() > most_axes) return;
  check_rank<0>(bytes, expected);
  check_rows_view(bytes, expected);
}

void check_all(std::uint64_t first, unsigned count, const ArrayOptions& options) {
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    try {
      check(seed, options);
    } catch (const std::exception& failure) {
      FAIL() << "seed " << seed << ": " << failure.what();
    }
  }
}

TEST(ElementProperty, EveryElementOfRandomArraysIsTheReferences) {
  check_all(60'000'000, cases(15'000U), {});
  EXPECT_GT(std::ranges::min(read_through), cases(100))
      << "of each number of tables there are some";
}

TEST(ElementProperty, EveryIndirectionIsFollowed) {
  std::uint64_t seed = 61'000'000;
  for (const ArrayOptions& options : every_indirection(4)) {
    check_all(seed, 2, options);
    seed += 2;
  }
}

TEST(ElementProperty, NothingBeyondTheArrayIsTouched) {
  ArrayOptions options;
  options.memory = MemoryMode::guarded;
  check_all(62'000'000, cases(500U), options);
}

}  // namespace
}  // namespace multibuffer::testing
