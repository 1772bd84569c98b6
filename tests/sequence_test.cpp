#include <multibuffer/segments.hpp>
#include <multibuffer/sequence.hpp>

#include "host/exact_divisor.hpp"
#include "host/sequences.hpp"

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

TEST(Sequence, IsTheSameInEitherForm) {
  const Sequence evenly = Sequence::evenly(5, -3, 4);
  const Sequence listed = Sequence::listed({5, 2, -1, -4});
  EXPECT_EQ(evenly, listed);
  EXPECT_FALSE(sequence_of({5, 2, -1, -4}).is_listed());
  EXPECT_TRUE(sequence_of({5, 2, -1, -3}).is_listed());
  EXPECT_NE(evenly, Sequence::listed({5, 2, -1}));
  EXPECT_EQ(sequence_of({}).size(), 0);
}

TEST(Sequence, IsEmptyWhenMovedFrom) {
  Sequence listed = Sequence::listed({5, 2, 9});
  Sequence taken = std::move(listed);
  EXPECT_EQ(listed.size(), 0);  // NOLINT(bugprone-use-after-move): that is the point
  EXPECT_EQ(taken[2], 9);
  taken = Sequence::evenly(0, 1, 2);
  EXPECT_EQ(taken, Sequence::listed({0, 1}));
}

TEST(Sequence, ComposesAndMoves) {
  const Sequence numbers[] = {Sequence::evenly(100, 10, 6), Sequence::listed({7, 3, 3, 9, 0, 1})};
  const Sequence positions[] = {Sequence::evenly(5, -2, 3), Sequence::listed({0, 0, 4}),
                                Sequence::evenly(0, 1, 6)};
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
  const Segments segments(Sequence::listed({4096, 1024, 2048}), 64);
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
