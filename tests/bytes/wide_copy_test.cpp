#include "host/bytes/wide_copy.hpp"

#include "host/bytes/simd.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

namespace multibuffer {
namespace {

using Lines = std::set<std::uintptr_t>;

std::uintptr_t line_of(const void* at) {
  return reinterpret_cast<std::uintptr_t>(at) / static_cast<std::uintptr_t>(cache_line_bytes);
}

/// The lines that a row has bytes in.
Lines lines_of(const std::byte* row, std::int64_t bytes) {
  Lines lines;
  for (std::int64_t i = 0; i < bytes; ++i) lines.insert(line_of(row + i));
  return lines;
}

template <class Moves>
Lines copy_narrow(std::byte* to, const std::byte* from, std::int64_t bytes,
                  const std::byte* later) {
  Lines asked;
  copy_and_prefetch<Moves>(to, from, bytes, later,
                           [&](const void* at) { asked.insert(line_of(at)); });
  return asked;
}
MULTIBUFFER_WIDE Lines copy_wide(std::byte* to, const std::byte* from, std::int64_t bytes,
                                 const std::byte* later) {
  return copy_narrow<WideMoves>(to, from, bytes, later);
}

/// Rows of every size from a vector's to some lines, from and to places anywhere within a line.
template <class Copy>
void expect_copies(const Copy& copy) {
  std::vector<std::byte> source(2048);
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<std::byte>(i * 37 % 251);
  for (std::int64_t bytes = static_cast<std::int64_t>(vector_bytes); bytes <= 330; ++bytes) {
    const std::int64_t begin = bytes * 7 % 64, place = bytes * 11 % 64;
    const std::byte* const later = source.data() + 1024 + bytes * 13 % 64;
    std::vector<std::byte> out(512, std::byte{0x5a}), expected = out;
    std::copy_n(source.begin() + begin, bytes, expected.begin() + place);
    const Lines asked = copy(out.data() + place, source.data() + begin, bytes, later);
    ASSERT_EQ(out, expected) << bytes;
    ASSERT_EQ(asked, lines_of(later, bytes)) << bytes;
  }
}

TEST(CopyAndPrefetch, CopiesARowAndAsksForAllLinesOfTheLaterOneAndNoOthers) {
  expect_copies(copy_narrow<NarrowMoves>);
}

TEST(CopyAndPrefetch, DoesSoByWideMoves) {
  if (!has_wide_vectors()) GTEST_SKIP() << "this processor has no wide vectors";
  expect_copies(copy_wide);
}

}  // namespace
}  // namespace multibuffer
