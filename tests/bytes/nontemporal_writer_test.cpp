#include "host/bytes/nontemporal_writer.hpp"

#include "host/bytes/nontemporal_copy.hpp"
#include "host/bytes/nontemporal_pieces.hpp"
#include "host/bytes/simd.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace multibuffer {
namespace {

/// Bytes and what should become of them: rows from anywhere to places in order, with gaps or none.
struct Work {
  struct Row {
    std::int64_t from, to, bytes;
  };
  std::vector<std::byte> source, out, expected;
  std::vector<Row> rows;

  Work(std::mt19937_64& engine, std::int64_t least, std::int64_t most) {
    const auto random = [&](std::int64_t low, std::int64_t high) {
      return std::uniform_int_distribution<std::int64_t>(low, high)(engine);
    };
    source.resize(static_cast<std::size_t>(most + 500));
    for (std::byte& byte : source) byte = static_cast<std::byte>(random(0, 255));
    const bool has_gaps = random(0, 1) == 1, is_one_size = random(0, 1) == 1;
    const std::int64_t size = random(least, most);
    std::int64_t to = random(0, 200);
    for (std::int64_t count = random(1, 60); count > 0; --count) {
      const std::int64_t bytes = is_one_size ? size : random(least, most);
      rows.push_back({random(0, 500), to, bytes});
      to += bytes + (has_gaps && random(0, 3) == 0 ? random(1, 150) : 0);
    }
    if (random(0, 7) == 0) std::reverse(rows.begin(), rows.end());
    out.assign(static_cast<std::size_t>(to + 100), std::byte{0x5a});
    expected = out;
    for (const Row& row : rows)
      std::copy_n(source.begin() + row.from, row.bytes, expected.begin() + row.to);
  }

  /// Those that take rows of fewer bytes than a vector have another function for them.
  template <class Writer>
  static void append(Writer& writer, const std::byte* from, std::int64_t bytes) {
    if constexpr (requires { writer.append_short(from, bytes); })
      if (bytes < static_cast<std::int64_t>(vector_bytes)) return writer.append_short(from, bytes);
    writer.append(from, bytes);
  }

  template <class Writer>
  void run() {
    Writer writer(out.data() + rows[0].to);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      writer.go_to(out.data() + rows[i].to);
      append(writer, source.data() + rows[i].from, rows[i].bytes);
      if (i % 16 == 7) writer.finish();
    }
    writer.finish();
  }
};

template <class Writer>
MULTIBUFFER_WIDE void run_wide(Work& work) {
  work.run<Writer>();
}
template <class Writer>
void run_narrow(Work& work) {
  work.run<Writer>();
}

void expect_rows_in_place(void (*run)(Work& work), std::int64_t least) {
  std::mt19937_64 engine(1);
  for (const std::int64_t most : {least + 20, std::int64_t{300}, std::int64_t{5000}})
    for (int i = 0; i < 300; ++i) {
      Work work(engine, least, most);
      run(work);
      nontemporal_fence();
      ASSERT_EQ(work.out, work.expected) << i << ": " << work.rows.size() << " rows, the first of "
                                         << work.rows[0].bytes << " bytes";
    }
}

TEST(NontemporalWriter, PutsRowsOfAnySizeAnywhere) {
  expect_rows_in_place(run_narrow<NontemporalWriter<NarrowMoves>>, 0);
}

TEST(NontemporalWriter, DoesSoByWideMoves) {
  if (!has_wide_vectors()) GTEST_SKIP() << "this processor has no wide vectors";
  expect_rows_in_place(run_wide<NontemporalWriter<WideMoves>>, 0);
}

TEST(WideNontemporalWriter, PutsRowsOfAnySizeAnywhere) {
  if (!has_wide_vectors()) GTEST_SKIP() << "this processor has no wide vectors";
  expect_rows_in_place(run_wide<WideNontemporalWriter>, cache_line_bytes);
}

TEST(StreamBytes, CopiesAnyNumberOfThem) {
  std::mt19937_64 engine(2);
  for (int i = 0; i < 400; ++i) {
    const std::int64_t most = i % 2 == 0 ? 300 : 150'000;
    const auto bytes = std::uniform_int_distribution<std::int64_t>(0, most)(engine);
    const auto from = std::uniform_int_distribution<std::int64_t>(0, 100)(engine);
    const auto to = std::uniform_int_distribution<std::int64_t>(0, 100)(engine);
    std::vector<std::byte> source(static_cast<std::size_t>(from + bytes));
    for (std::byte& byte : source) byte = static_cast<std::byte>(engine());
    std::vector<std::byte> out(static_cast<std::size_t>(to + bytes + 70), std::byte{0x5a});
    std::vector<std::byte> expected = out;
    std::copy_n(source.begin() + from, bytes, expected.begin() + to);
    nontemporal_copy(out.data() + to, source.data() + from, bytes);
    nontemporal_fence();
    ASSERT_EQ(out, expected) << bytes << " bytes from " << from << " to " << to;
  }
}

TEST(StreamPieces, MakesEachUnitOnceAndInItsPlace) {
  std::mt19937_64 engine(3);
  const auto random = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine);
  };
  for (int i = 0; i < 400; ++i) {
    const std::int64_t bytes = random(1, 4) * random(1, 4), count = random(1, i % 2 ? 40 : 9000);
    const std::int64_t piece = random(2, most_piece_bytes / cache_line_bytes) * cache_line_bytes;
    const std::int64_t to = random(0, 100);
    std::vector<std::byte> out(static_cast<std::size_t>(to + count * bytes + 70), std::byte{0x5a});
    std::vector<std::byte> expected = out;
    const auto make = [&](std::byte* at, std::int64_t begin, std::int64_t units) {
      for (std::int64_t unit = begin; unit < begin + units; ++unit, at += bytes)
        std::memset(at, static_cast<int>(unit * 7 % 251), static_cast<std::size_t>(bytes));
    };
    make(expected.data() + to, 0, count);
    std::int64_t made = 0;
    write_nontemporal_pieces(out.data() + to, count, bytes, piece,
                             [&](std::byte* at, std::int64_t begin, std::int64_t units) {
                               ASSERT_EQ(begin, made);
                               ASSERT_LE(units * bytes, piece);
                               made += units;
                               make(at, begin, units);
                             });
    nontemporal_fence();
    ASSERT_EQ(out, expected) << count << " units of " << bytes << " in pieces of " << piece;
  }
}

}  // namespace
}  // namespace multibuffer
