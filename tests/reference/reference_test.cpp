#include <multibuffer/error.hpp>
#include <multibuffer/reference.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

// The oracle is checked by hand: every expected value here is written down, none is computed by the
// pipeline that the oracle checks.
namespace multibuffer {
namespace {

using Numbers = std::vector<std::int64_t>;
using Bytes = std::vector<int>;

constexpr std::int64_t pointer_bytes = sizeof(void*);
constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();

/// An export with its own shape, strides and suboffsets.
struct Exported {
  const void* buf = nullptr;
  Numbers shape;
  Numbers strides;
  Numbers suboffsets;  ///< empty: NULL
  std::int64_t itemsize = 1;

  BufferExport raw() const {
    BufferExport source;
    source.buf = buf;
    source.itemsize = itemsize;
    source.ndim = static_cast<int>(shape.size());
    source.shape = shape.data();
    source.strides = strides.empty() ? nullptr : strides.data();
    source.suboffsets = suboffsets.empty() ? nullptr : suboffsets.data();
    return source;
  }
};

struct Read {
  Numbers shape;
  Bytes bytes;
  bool operator==(const Read&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const Read& read) {
    return out << ::testing::PrintToString(read.shape) << " "
               << ::testing::PrintToString(read.bytes);
  }
};

Read read(const BufferExport& source, const std::vector<ViewOperation>& operations = {},
          const std::vector<reference::Group>& groups = {}, IndexMode mode = IndexMode::raise) {
  const reference::Result result = reference::gather(source, operations, groups, {.mode = mode});
  Read read{result.shape, {}};
  for (const std::byte byte : result.bytes) read.bytes.push_back(std::to_integer<int>(byte));
  return read;
}

template <class Call>
std::optional<Errc> code_of(Call&& call, std::string* message = nullptr) {
  try {
    call();
  } catch (const Error& error) {
    if (message) *message = error.what();
    return error.code();
  }
  return std::nullopt;
}

reference::Index list(const Numbers& values) {
  return {values, {static_cast<std::int64_t>(values.size())}};
}

SliceAxis slice(int axis, std::optional<std::int64_t> start, std::optional<std::int64_t> stop,
                std::int64_t step = 1) {
  return {axis, {start, stop, step}};
}

/// 0, 1, 2, ... as bytes.
std::vector<std::uint8_t> counting(std::size_t count) {
  std::vector<std::uint8_t> bytes(count);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
  return bytes;
}

// ---------------------------------------------------------------------------------------------
// PEP 3118's rule

TEST(Reference, ReadsADirectArrayByItsStrides) {
  const auto bytes = counting(12);
  EXPECT_EQ(read(Exported{bytes.data(), {3, 4}, {4, 1}, {}}.raw()),
            (Read{{3, 4}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}}));
  EXPECT_EQ(read(Exported{bytes.data(), {4, 3}, {1, 4}, {}}.raw()),
            (Read{{4, 3}, {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}}));
  EXPECT_EQ(read(Exported{bytes.data() + 11, {2, 3}, {-6, -2}, {}}.raw()),
            (Read{{2, 3}, {11, 9, 7, 5, 3, 1}}));
  EXPECT_EQ(read(Exported{bytes.data() + 5, {2, 2}, {0, 1}, {}}.raw()),
            (Read{{2, 2}, {5, 6, 5, 6}}));
}

// PEP 3118's own example: char v[2][2][3], and the same as an image of row pointers.
TEST(Reference, FollowsAnImageOfRowPointers) {
  std::array<std::uint8_t, 3> top{1, 2, 3}, middle{4, 5, 6};
  const std::array<const std::uint8_t*, 3> rows{top.data(), middle.data(), top.data()};
  const Exported image{rows.data(), {3, 3}, {pointer_bytes, 1}, {0, -1}};
  EXPECT_EQ(read(image.raw()), (Read{{3, 3}, {1, 2, 3, 4, 5, 6, 1, 2, 3}}));

  const reference::Addresses addresses = reference::addresses(image.raw(), {});
  const auto* first = reinterpret_cast<const std::byte*>(top.data());
  const auto* second = reinterpret_cast<const std::byte*>(middle.data());
  EXPECT_EQ(addresses.elements,
            (std::vector<const std::byte*>{first, first + 1, first + 2, second, second + 1,
                                           second + 2, first, first + 1, first + 2}));
}

TEST(Reference, AddsTheSuboffsetAfterThePointer) {
  const std::array<std::uint8_t, 5> a{0, 1, 2, 3, 4}, b{10, 11, 12, 13, 14};
  const std::array<const std::uint8_t*, 2> rows{a.data(), b.data()};
  // As PEP 3118 says it: the second axis sliced from 2 on.
  EXPECT_EQ(read(Exported{rows.data(), {2, 3}, {pointer_bytes, 1}, {2, -1}}.raw()),
            (Read{{2, 3}, {2, 3, 4, 12, 13, 14}}));
}

TEST(Reference, FollowsPointersToPointers) {  // T***
  const std::array<std::uint16_t, 2> a{0x0100, 0x0302}, b{0x0504, 0x0706}, c{0x0908, 0x0b0a};
  const std::array<const std::uint16_t*, 2> upper{a.data(), b.data()}, lower{c.data(), a.data()};
  const std::array<const std::uint16_t* const*, 2> planes{upper.data(), lower.data()};
  const Exported array{planes.data(), {2, 2, 2}, {pointer_bytes, pointer_bytes, 2}, {0, 0, -1}, 2};
  EXPECT_EQ(read(array.raw()),
            (Read{{2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3}}));
}

TEST(Reference, DereferencesOnEveryAxisThatSaysSoAndNowhereElse) {
  // Pointers at the end: a 2 x 2 table of pointers to single bytes.
  const auto bytes = counting(4);
  const std::array<const std::uint8_t*, 4> table{&bytes[3], &bytes[2], &bytes[1], &bytes[0]};
  EXPECT_EQ(read(Exported{table.data(), {2, 2}, {2 * pointer_bytes, pointer_bytes}, {-1, 0}}.raw()),
            (Read{{2, 2}, {3, 2, 1, 0}}));
  // Suboffsets that are all negative make a direct array, whatever their values.
  EXPECT_EQ(read(Exported{bytes.data(), {2, 2}, {2, 1}, {-1, -100}}.raw()),
            (Read{{2, 2}, {0, 1, 2, 3}}));
}

TEST(Reference, ReadsPointersAtAnyAddress) {
  const auto bytes = counting(6);
  const std::array<const std::uint8_t*, 2> rows{bytes.data() + 3, bytes.data()};
  std::array<std::uint8_t, 32> table{};
  std::memcpy(table.data() + 1, &rows[0], sizeof rows[0]);
  std::memcpy(table.data() + 12, &rows[1], sizeof rows[1]);
  EXPECT_EQ(read(Exported{table.data() + 1, {2, 3}, {11, 1}, {0, -1}}.raw()),
            (Read{{2, 3}, {3, 4, 5, 0, 1, 2}}));
}

// ---------------------------------------------------------------------------------------------
// NULLs, single elements and no elements

TEST(Reference, TakesTheProtocolsDefaults) {
  const auto bytes = counting(12);
  EXPECT_EQ(read(Exported{bytes.data(), {2, 3}, {}, {}, 2}.raw()),
            (Read{{2, 3}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}}));
  BufferExport simple;  // PyBUF_SIMPLE: no shape, so `len` bytes, whatever the itemsize was
  simple.buf = bytes.data();
  simple.len = 4;
  simple.itemsize = 2;
  simple.ndim = 1;
  EXPECT_EQ(read(simple), (Read{{4}, {0, 1, 2, 3}}));
}

TEST(Reference, ReadsASingleElementWithoutAxes) {
  const std::array<std::uint8_t, 2> element{7, 8};
  BufferExport scalar;
  scalar.buf = element.data();
  scalar.itemsize = 2;
  EXPECT_EQ(read(scalar), (Read{{}, {7, 8}}));
  // CPython crashes on these.
  const std::int64_t suboffset = 0;
  scalar.suboffsets = &suboffset;
  EXPECT_EQ(read(scalar), (Read{{}, {7, 8}}));
  EXPECT_EQ(read(scalar, {InsertAxis{0}, InsertAxis{-1}}), (Read{{1, 1}, {7, 8}}));
}

TEST(Reference, DereferencesNothingWithoutElements) {
  const auto* nowhere = reinterpret_cast<const void*>(16);
  EXPECT_EQ(read(Exported{nowhere, {2, 0}, {pointer_bytes, 1}, {0, -1}}.raw()), (Read{{2, 0}, {}}));
  EXPECT_EQ(read(Exported{nullptr, {0, 2}, {pointer_bytes, 1}, {0, -1}}.raw()), (Read{{0, 2}, {}}));
  EXPECT_EQ(read(Exported{nowhere, {2, 0, 2}, {pointer_bytes, 1, 1}, {0, 0, 0}}.raw(),
                 {IndexAxis{0, -1}, Permute{{1, 0}}}),
            (Read{{2, 0}, {}}));
  // The array has elements, but the result has none.
  const Exported full{nowhere, {2, 3}, {pointer_bytes, 1}, {0, -1}};
  EXPECT_EQ(read(full.raw(), {slice(1, 2, 2)}), (Read{{2, 0}, {}}));
  EXPECT_EQ(read(full.raw(), {}, {{{0}, {list({})}, {}}}), (Read{{0, 3}, {}}));
}

TEST(Reference, SaysWhereANullPointerIs) {
  const std::array<std::uint8_t, 2> row{1, 2};
  const std::array<const std::uint8_t*, 3> rows{row.data(), nullptr, row.data()};
  const Exported image{rows.data(), {3, 2}, {pointer_bytes, 1}, {0, -1}};
  std::string message;
  EXPECT_EQ(code_of([&] { read(image.raw()); }, &message), Errc::null_pointer);
  EXPECT_NE(message.find("(1, 0)"), std::string::npos) << message;
  // Indices that avoid it read the rest; the message counts in the export.
  EXPECT_EQ(read(image.raw(), {slice(0, {}, {}, 2)}), (Read{{2, 2}, {1, 2, 1, 2}}));
  EXPECT_EQ(code_of(
                [&] {
                  read(image.raw(), {IndexAxis{1, -1}, slice(0, 1, {})});
                },
                &message),
            Errc::null_pointer);
  EXPECT_NE(message.find("(1, 1)"), std::string::npos) << message;
}

TEST(Reference, RefusesExportsThatMakeNoSense) {
  const auto bytes = counting(8);
  EXPECT_EQ(code_of([&] {
              read(Exported{bytes.data(), {-1}, {1}, {}}.raw());
            }),
            Errc::invalid_view);
  EXPECT_EQ(code_of([&] { read(Exported{nullptr, {2}, {1}, {}}.raw()); }), Errc::invalid_view);
  EXPECT_EQ(code_of([&] {
              read(Exported{bytes.data(), {2}, {1}, {}, 0}.raw());
            }),
            Errc::invalid_view);
  EXPECT_EQ(code_of([&] {
              read(Exported{bytes.data(), {highest, 3}, {1, 1}, {}}.raw());
            }),
            Errc::size_overflow);
  const Exported pair{bytes.data(), {2}, {1}, {}};
  BufferExport wrong_length = pair.raw();
  wrong_length.len = 3;
  EXPECT_EQ(code_of([&] { read(wrong_length); }), Errc::invalid_view);
}

// ---------------------------------------------------------------------------------------------
// View operations

struct SliceCase {
  Slice slice;
  Bytes elements;  ///< of range(5)
};

// What CPython answers to list(range(5))[start:stop:step].
TEST(Reference, SlicesAsPythonDoes) {
  const auto bytes = counting(5);
  const Exported range{bytes.data(), {5}, {1}, {}};
  const std::vector<SliceCase> cases{
      {{{}, {}, 1}, {0, 1, 2, 3, 4}},
      {{{}, {}, -1}, {4, 3, 2, 1, 0}},
      {{1, 4, 1}, {1, 2, 3}},
      {{1, 4, 2}, {1, 3}},
      {{-2, {}, 1}, {3, 4}},
      {{{}, -2, 1}, {0, 1, 2}},
      {{-100, 100, 1}, {0, 1, 2, 3, 4}},
      {{100, -100, -1}, {4, 3, 2, 1, 0}},
      {{3, 1, 1}, {}},
      {{1, 3, -1}, {}},
      {{3, 0, -1}, {3, 2, 1}},
      {{3, {}, -1}, {3, 2, 1, 0}},
      {{3, -1, -1}, {}},
      {{{}, {}, 2}, {0, 2, 4}},
      {{{}, {}, -2}, {4, 2, 0}},
      {{{}, {}, 3}, {0, 3}},
      {{{}, {}, -3}, {4, 1}},
      {{1, {}, 100}, {1}},
      {{5, {}, 1}, {}},
      {{5, {}, -1}, {4, 3, 2, 1, 0}},
      {{-6, {}, -1}, {}},
      {{-5, {}, -1}, {0}},
      {{lowest, highest, highest}, {0}},
      {{highest, lowest, lowest}, {4}},
      {{{}, -6, -1}, {4, 3, 2, 1, 0}},
      {{4, -4, -2}, {4, 2}},
  };
  for (const SliceCase& it : cases) {
    const Read expected{{static_cast<std::int64_t>(it.elements.size())}, it.elements};
    EXPECT_EQ(read(range.raw(), {SliceAxis{0, it.slice}}), expected)
        << it.slice.start.value_or(-999) << ":" << it.slice.stop.value_or(-999) << ":"
        << it.slice.step;
  }
}

TEST(Reference, ComposesOperationsInTheirOrder) {
  const auto bytes = counting(24);
  const Exported array{bytes.data(), {2, 3, 4}, {12, 4, 1}, {}};
  // a[1]
  EXPECT_EQ(read(array.raw(), {IndexAxis{0, 1}}),
            (Read{{3, 4}, {12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}}));
  // a[:, ::-2][:, 1] = a[:, 0]
  EXPECT_EQ(read(array.raw(), {slice(1, {}, {}, -2), IndexAxis{1, 1}}),
            (Read{{2, 4}, {0, 1, 2, 3, 12, 13, 14, 15}}));
  // a.transpose(2, 0, 1)[1:3, -1]
  EXPECT_EQ(read(array.raw(), {Permute{{2, 0, 1}}, slice(0, 1, 3), IndexAxis{1, -1}}),
            (Read{{2, 3}, {13, 17, 21, 14, 18, 22}}));
  // a[0, :, 3][newaxis, :]
  EXPECT_EQ(read(array.raw(), {IndexAxis{0, 0}, IndexAxis{1, 3}, InsertAxis{0}}),
            (Read{{1, 3}, {3, 7, 11}}));
  // a.transpose(1, 2, 0)[2] is of shape (4, 2)
  EXPECT_EQ(read(array.raw(), {Permute{{1, -1, 0}}, IndexAxis{0, 2}}),
            (Read{{4, 2}, {8, 20, 9, 21, 10, 22, 11, 23}}));
}

TEST(Reference, OperatesOnAxesOfPointersToo) {
  const std::array<std::uint8_t, 3> a{0, 1, 2}, b{10, 11, 12}, c{20, 21, 22};
  const std::array<const std::uint8_t*, 3> rows{a.data(), b.data(), c.data()};
  const Exported image{rows.data(), {3, 3}, {pointer_bytes, 1}, {0, -1}};
  EXPECT_EQ(read(image.raw(), {slice(0, {}, {}, -2)}), (Read{{2, 3}, {20, 21, 22, 0, 1, 2}}));
  EXPECT_EQ(read(image.raw(), {Permute{{1, 0}}}),
            (Read{{3, 3}, {0, 10, 20, 1, 11, 21, 2, 12, 22}}));
  EXPECT_EQ(read(image.raw(), {Permute{{1, 0}}, IndexAxis{1, 1}}), (Read{{3}, {10, 11, 12}}));

  // An integer index behind a pointer, which a Py_buffer can not say.
  const std::array<const std::uint8_t* const*, 1> planes{rows.data()};
  const Exported cube{planes.data(), {1, 3, 3}, {pointer_bytes, pointer_bytes, 1}, {0, 0, -1}};
  EXPECT_EQ(read(cube.raw(), {IndexAxis{1, 2}}), (Read{{1, 3}, {20, 21, 22}}));
}

// Rows that are pointed to at their last byte. CPython's and Cython's slicing adds stride * start
// = -1 to the suboffset 0, takes the sign for "not a pointer", and reads the table's own bytes.
TEST(Reference, KeepsAnIndirectAxisIndirectWhereTheSuboffsetWouldTurnNegative) {
  const std::array<std::uint8_t, 3> a{1, 2, 3}, b{4, 5, 6};
  const std::array<const std::uint8_t*, 2> ends{&a[2], &b[2]};
  const Exported mirrored{ends.data(), {2, 3}, {pointer_bytes, -1}, {0, -1}};
  EXPECT_EQ(read(mirrored.raw()), (Read{{2, 3}, {3, 2, 1, 6, 5, 4}}));
  EXPECT_EQ(read(mirrored.raw(), {slice(1, 1, {})}), (Read{{2, 2}, {2, 1, 5, 4}}));
  EXPECT_EQ(read(mirrored.raw(), {slice(1, {}, {}, -1)}), (Read{{2, 3}, {1, 2, 3, 4, 5, 6}}));
  EXPECT_EQ(read(mirrored.raw(), {IndexAxis{1, 2}}), (Read{{2}, {1, 4}}));
}

TEST(Reference, ReshapesWhateverTheStrides) {
  const auto bytes = counting(6);
  const Exported array{bytes.data(), {2, 3}, {3, 1}, {}};
  EXPECT_EQ(read(array.raw(), {Permute{{1, 0}}, Reshape{{2, 3}}}),
            (Read{{2, 3}, {0, 3, 1, 4, 2, 5}}));
  EXPECT_EQ(read(array.raw(), {slice(1, {}, {}, -2), Reshape{{4}}, IndexAxis{0, 1}}),
            (Read{{}, {0}}));
  EXPECT_EQ(read(array.raw(), {slice(0, 0, 0), Reshape{{3, 0}}}), (Read{{3, 0}, {}}));
}

TEST(Reference, StopsWhenItIsAskedTo) {
  const std::uint8_t byte = 7;
  const Exported array{&byte, {1 << 20}, {0}, {}};
  std::stop_source stop;
  std::int64_t seen = 0;
  const Watch watch{stop.get_token(), [&](std::int64_t done, std::int64_t total) {
                      EXPECT_EQ(total, 1 << 20);
                      seen = done;
                      if (done > total / 2) stop.request_stop();
                    }};
  EXPECT_EQ(code_of([&] { reference::gather(array.raw(), {}, {}, {.watch = watch}); }),
            Errc::cancelled);
  EXPECT_GT(seen, 1 << 19);
  EXPECT_LT(seen, 1 << 20);
}

TEST(Reference, ConvertsUntilItIsAskedToStop) {
  constexpr std::int64_t count = 1 << 16;
  const reference::Result numbers{{count}, std::vector<std::byte>(count * 2)};
  const Format from("h", 2), to("f", 4);
  std::stop_source stop;
  std::int64_t seen = 0;
  const Watch watch{stop.get_token(), [&](std::int64_t done, std::int64_t total) {
                      EXPECT_EQ(total, count * 2);
                      seen = done;
                      if (done > total / 2) stop.request_stop();
                    }};
  EXPECT_EQ(code_of([&] { reference::converted(numbers, from, to, {.watch = watch}); }),
            Errc::cancelled);
  EXPECT_GT(seen, count);
  EXPECT_LT(seen, count * 2);
}

TEST(Reference, RefusesOperationsThatDoNotFit) {
  const auto bytes = counting(6);
  const Exported array{bytes.data(), {2, 3}, {3, 1}, {}};
  const auto code = [&](const ViewOperation& operation) {
    return code_of([&] { read(array.raw(), {operation}); });
  };
  EXPECT_EQ(code(slice(0, {}, {}, 0)), Errc::invalid_argument);
  EXPECT_EQ(code(slice(2, {}, {})), Errc::invalid_argument);
  EXPECT_EQ(code(Reshape{{5}}), Errc::invalid_argument);
  EXPECT_EQ(code(Reshape{{-2, -3}}), Errc::invalid_argument);
  EXPECT_EQ(code(slice(-3, {}, {})), Errc::invalid_argument);
  EXPECT_EQ(code(IndexAxis{0, 2}), Errc::index_out_of_range);
  EXPECT_EQ(code(IndexAxis{1, -4}), Errc::index_out_of_range);
  EXPECT_EQ(code(IndexAxis{-2, -2}), std::nullopt);
  EXPECT_EQ(code(Permute{{0, 0}}), Errc::invalid_argument);
  EXPECT_EQ(code(Permute{{0}}), Errc::invalid_argument);
  EXPECT_EQ(code(InsertAxis{3}), Errc::invalid_argument);
  EXPECT_EQ(code(InsertAxis{-3}), std::nullopt);
  const std::vector<ViewOperation> many(62, InsertAxis{0}), too_many(63, InsertAxis{0});
  EXPECT_EQ(code_of([&] { read(array.raw(), many); }), std::nullopt);
  EXPECT_EQ(code_of([&] { read(array.raw(), too_many); }), Errc::invalid_argument);
}

// ---------------------------------------------------------------------------------------------
// Index groups: what NumPy answers for a = arange(24).reshape(2, 3, 4)

class ReferenceGroups : public ::testing::Test {
 protected:
  Read gather(const std::vector<reference::Group>& groups,
              IndexMode mode = IndexMode::raise) const {
    return read(array.raw(), {}, groups, mode);
  }
  std::vector<std::uint8_t> bytes = counting(24);
  Exported array{bytes.data(), {2, 3, 4}, {12, 4, 1}, {}};
};

TEST_F(ReferenceGroups, TakePutsTheIndicesShapeInTheAxisPlace) {
  // a.take([[2, -3]], 1)
  EXPECT_EQ(gather({{{1}, {{{2, -3}, {1, 2}}}, {}}}),
            (Read{{2, 1, 2, 4}, {8, 9, 10, 11, 0, 1, 2, 3, 20, 21, 22, 23, 12, 13, 14, 15}}));
  // a.take(3, 2)
  EXPECT_EQ(gather({{{2}, {{{3}, {}}}, {}}}), (Read{{2, 3}, {3, 7, 11, 15, 19, 23}}));
}

TEST_F(ReferenceGroups, NeighboursStayWhereTheyWere) {
  // a[:, [0, 2], [1, 3]]
  EXPECT_EQ(gather({{{1, 2}, {list({0, 2}), list({1, 3})}, {}}}), (Read{{2, 2}, {1, 11, 13, 23}}));
  // The same with the arrays named in another order.
  EXPECT_EQ(gather({{{2, 1}, {list({1, 3}), list({0, 2})}, {}}}), (Read{{2, 2}, {1, 11, 13, 23}}));
}

TEST_F(ReferenceGroups, AxesApartGoInFront) {
  // a[[0, 1, 1], :, [3, 2, 0]]
  EXPECT_EQ(gather({{{0, 2}, {list({0, 1, 1}), list({3, 2, 0})}, {}}}),
            (Read{{3, 3}, {3, 7, 11, 14, 18, 22, 12, 16, 20}}));
}

TEST_F(ReferenceGroups, APositionSaysOtherwise) {
  // moveaxis(a[[0, 1, 1], :, [3, 2, 0]], 0, 1)
  EXPECT_EQ(gather({{{0, 2}, {list({0, 1, 1}), list({3, 2, 0})}, 3}}),
            (Read{{3, 3}, {3, 14, 12, 7, 18, 16, 11, 22, 20}}));
  // A single axis' indices in front of all: moveaxis(a.take([3, 0], 2), 2, 0)
  EXPECT_EQ(gather({{{2}, {list({3, 0})}, 0}}),
            (Read{{2, 2, 3}, {3, 7, 11, 15, 19, 23, 0, 4, 8, 12, 16, 20}}));
}

TEST_F(ReferenceGroups, ArraysOfAGroupAreBroadcast) {
  // a[[[0], [1]], [2, 0], 1]
  EXPECT_EQ(gather({{{0, 1, 2}, {{{0, 1}, {2, 1}}, list({2, 0}), {{1}, {}}}, {}}}),
            (Read{{2, 2}, {9, 1, 21, 13}}));
  EXPECT_EQ(code_of([&] {
              gather({{{0, 1}, {list({0, 1}), list({0, 1, 2})}, {}}});
            }),
            Errc::invalid_argument);
}

TEST_F(ReferenceGroups, SeveralGroupsAreIndependent) {
  // a[ix_([1], [0, 2], [3, 1])]
  EXPECT_EQ(gather({{{0}, {list({1})}, {}}, {{1}, {list({0, 2})}, {}}, {{2}, {list({3, 1})}, {}}}),
            (Read{{1, 2, 2}, {15, 13, 23, 21}}));
  // In whatever order they are given, they stand in the order of their axes.
  EXPECT_EQ(gather({{{2}, {list({3, 1})}, {}}, {{1}, {list({0, 2})}, {}}}),
            (Read{{2, 2, 2}, {3, 1, 11, 9, 15, 13, 23, 21}}));
}

TEST_F(ReferenceGroups, ModesMeanWhatTheyMeanInNumPy) {
  const Numbers odd{-100, -5, -1, 0, 3, 4, 5, 100};
  // arange(4).take(odd, mode=...)
  const auto row = [&](IndexMode mode) {
    return read(array.raw(), {IndexAxis{0, 0}, IndexAxis{0, 0}}, {{{0}, {list(odd)}, {}}}, mode);
  };
  EXPECT_EQ(row(IndexMode::clip), (Read{{8}, {0, 0, 0, 0, 3, 3, 3, 3}}));
  EXPECT_EQ(row(IndexMode::wrap), (Read{{8}, {0, 3, 3, 0, 3, 0, 1, 0}}));
  EXPECT_EQ(code_of([&] { row(IndexMode::raise); }), Errc::index_out_of_range);
  EXPECT_EQ(
      gather({{{2}, {list({lowest, highest})}, {}}, {{0}, {list({0})}, {}}, {{1}, {list({0})}, {}}},
             IndexMode::wrap),
      (Read{{1, 1, 2}, {0, 3}}));
}

TEST_F(ReferenceGroups, AnIndexOutOfRangeIsNamedWithItsPlace) {
  std::string message;
  const reference::Index indices{{0, 1, 2, -4}, {2, 2}};
  EXPECT_EQ(code_of([&] { gather({{{1}, {indices}, {}}}); }, &message), Errc::index_out_of_range);
  EXPECT_NE(message.find("index -4 at position (1, 1)"), std::string::npos) << message;
  EXPECT_NE(message.find("axis 1"), std::string::npos) << message;
  EXPECT_NE(message.find("extent is 3"), std::string::npos) << message;
}

TEST(Reference, NothingCanBeTakenFromAnEmptyAxis) {
  const Exported empty{nullptr, {0, 2}, {2, 1}, {}};
  for (const IndexMode mode : {IndexMode::raise, IndexMode::clip, IndexMode::wrap}) {
    EXPECT_EQ(code_of([&] {
                read(empty.raw(), {}, {{{0}, {list({0})}, {}}}, mode);
              }),
              Errc::index_out_of_range);
    EXPECT_EQ(read(empty.raw(), {}, {{{0}, {list({})}, {}}}, mode), (Read{{0, 2}, {}}));
    EXPECT_EQ(read(empty.raw(), {}, {{{1}, {list({1, 1, 0})}, {}}}, mode), (Read{{0, 3}, {}}));
  }
}

TEST_F(ReferenceGroups, GroupsThatMakeNoSenseAreRefused) {
  const auto code = [&](const std::vector<reference::Group>& groups) {
    return code_of([&] { gather(groups); });
  };
  EXPECT_EQ(code({{{0, 1}, {list({0})}, {}}}), Errc::invalid_argument);
  EXPECT_EQ(code({{{}, {}, {}}}), Errc::invalid_argument);
  EXPECT_EQ(code({{{3}, {list({0})}, {}}}), Errc::invalid_argument);
  EXPECT_EQ(code({{{0}, {list({0})}, {}}, {{-3}, {list({0})}, {}}}), Errc::invalid_argument);
  EXPECT_EQ(code({{{0}, {list({0})}, 4}}), Errc::invalid_argument);
  EXPECT_EQ(code({{{0}, {{{0, 1}, {3}}}, {}}}), Errc::invalid_argument);
}

TEST(Reference, GathersThroughPointersAndOperations) {
  const std::array<std::uint8_t, 4> a{0, 1, 2, 3}, b{10, 11, 12, 13};
  const std::array<const std::uint8_t*, 2> rows{a.data(), b.data()};
  const Exported image{rows.data(), {2, 4}, {pointer_bytes, 1}, {0, -1}};
  // image[::-1, 1:].T, rows 2 and 0 of it, columns 1, 0, 1 of those
  EXPECT_EQ(read(image.raw(), {slice(0, {}, {}, -1), slice(1, 1, {}), Permute{{1, 0}}},
                 {{{0}, {list({2, 0})}, {}}, {{1}, {list({1, 0, 1})}, {}}}),
            (Read{{2, 3}, {3, 13, 3, 1, 11, 1}}));
}

}  // namespace
}  // namespace multibuffer
