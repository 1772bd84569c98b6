#include <multibuffer/stages/segments.hpp>
#include <multibuffer/stages/sequence.hpp>

#include "host/place/exact_divisor.hpp"
#include "host/resolve/sequence_ops.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <utility>
#include <vector>

namespace multibuffer {
namespace {

static_assert(std::random_access_iterator<Segments::Iterator>);

using Numbers = LargeVector<std::int64_t>;
using Picks = LargeVector<std::uint32_t>;

TEST(Sequence, IsTheSameInEveryForm) {
  const Sequence affine = Sequence::affine(5, -3, 4);
  const Sequence flat = Sequence::flat({5, 2, -1, -4});
  const Sequence framed = Sequence::frame_of_reference(8, -3, {1, 2, 3, 4});
  EXPECT_EQ(affine, flat);
  EXPECT_EQ(affine, framed);
  EXPECT_TRUE(sequence_of(Numbers{5, 2, -1, -4}).is_affine());
  EXPECT_FALSE(sequence_of(Numbers{5, 2, -1, -3}).is_affine());
  EXPECT_EQ(sequence_of(Picks{5, 2}), Sequence::affine(5, -3, 2));
  EXPECT_EQ(sequence_of(Picks{0, 1u << 31, ~0u}), Sequence::flat({0, 1ll << 31, (1ll << 32) - 1}));
  EXPECT_NE(affine, Sequence::flat({5, 2, -1}));
  EXPECT_EQ(sequence_of(Numbers{}).size(), 0);
}

TEST(Sequence, IsVisitedInEveryForm) {
  const Sequence forms[] = {Sequence::affine(5, -3, 4), Sequence::flat({5, 2, -1, -4}),
                            Sequence::frame_of_reference(8, -3, {1, 2, 3, 4})};
  for (const Sequence& numbers : forms) {
    const auto sum = numbers.visit([&](const auto& number) {
      std::int64_t all = 0;
      for (std::int64_t i = 0; i < numbers.size(); ++i) all += number(i) * (i + 1);
      return all;
    });
    EXPECT_EQ(sum, 5 + 2 * 2 - 3 - 4 * 4);
  }
}

TEST(Sequence, ScalesWithoutAListUnlessItIsFlat) {
  EXPECT_FALSE(Sequence::flat({5, 2}).scaled(1, 1).has_value());
  EXPECT_EQ(*Sequence::affine(5, -3, 2).scaled(100, 10), Sequence::flat({150, 120}));
  EXPECT_EQ(*Sequence::frame_of_reference(5, -3, {2, 7}).scaled(100, 10),
            Sequence::flat({90, -60}));
}

TEST(Sequence, IsEmptyWhenMovedFrom) {
  Sequence listed = Sequence::flat({5, 2, 9});
  Sequence taken = std::move(listed);
  EXPECT_EQ(listed.size(), 0);  // NOLINT(bugprone-use-after-move): that is the point
  EXPECT_EQ(taken[2], 9);
  taken = Sequence::affine(0, 1, 2);
  EXPECT_EQ(taken, Sequence::flat({0, 1}));
}

TEST(Sequence, ComposesAndMoves) {
  const Sequence numbers[] = {Sequence::affine(100, 10, 6), Sequence::flat({7, 3, 3, 9, 0, 1}),
                              Sequence::frame_of_reference(1000, -7, {1, 9, 9, 0, 2, 4})};
  const Sequence positions[] = {Sequence::affine(5, -2, 3), Sequence::flat({0, 0, 4}),
                                Sequence::affine(0, 1, 6),
                                Sequence::frame_of_reference(5, -1, {0, 5, 2, 2})};
  for (const Sequence& n : numbers) {
    for (const Sequence& p : positions) {
      const Sequence c = composed(n, p);
      ASSERT_EQ(c.size(), p.size());
      for (std::int64_t i = 0; i < p.size(); ++i) EXPECT_EQ(c[i], n[p[i]]);
    }
    const Sequence m = moved(n, -4);
    for (std::int64_t i = 0; i < n.size(); ++i) EXPECT_EQ(m[i], n[i] - 4);
  }
}

TEST(Segments, OfOneSizeNeedNoList) {
  const Segments segments(Sequence::flat({4096, 1024, 2048}), 64);
  EXPECT_EQ(segments.size(), 3u);
  std::int64_t offset = 0;
  for (const Segment segment : segments) {
    EXPECT_EQ(segment.offset, offset);
    EXPECT_EQ(segment.bytes, 64);
    offset += 64;
  }
  EXPECT_EQ(reinterpret_cast<std::intptr_t>(segments[1].source), 1024);
  const auto behind = std::ranges::upper_bound(segments, 100, {}, &Segment::offset);
  EXPECT_EQ((*behind).offset, 128);
  EXPECT_EQ((*std::ranges::prev(behind)).offset, 64);
}

TEST(ExactDivisor, AgreesWithDivision) {
  const std::uint64_t most = ~std::uint64_t{0};
  for (const std::uint64_t divisor :
       {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3}, std::uint64_t{12}, std::uint64_t{100},
        std::uint64_t{4096}, std::uint64_t{1000003}, std::uint64_t{1} << 63, most, most - 1}) {
    const ExactDivisor exact(divisor);
    for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{1}, divisor - 1, divisor,
                                       divisor + 1, most / divisor * divisor, most - 3, most}) {
      EXPECT_EQ(exact.divides(number), number % divisor == 0) << number << " / " << divisor;
      if (exact.divides(number)) {
        EXPECT_EQ(exact.divide(number), number / divisor);
      }
    }
  }
}

}  // namespace
}  // namespace multibuffer
