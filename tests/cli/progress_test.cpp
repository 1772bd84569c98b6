#include "host/cli/progress.hpp"

#include "tests/testing/foreign_locale.hpp"

#include <gtest/gtest.h>

#include <string>

namespace multibuffer::cli {
namespace {

TEST(Progress, AmountsHaveAUnitAndOneDecimal) {
  EXPECT_EQ(bytes_text(0), "0 bytes");
  EXPECT_EQ(bytes_text(1), "1 byte");
  EXPECT_EQ(bytes_text(999), "999 bytes");
  EXPECT_EQ(bytes_text(1000), "1.0 kB");
  EXPECT_EQ(bytes_text(999'949), "999.9 kB");
  EXPECT_EQ(bytes_text(999'950), "1.0 MB");
  EXPECT_EQ(bytes_text(9'223'372'036'854'775'807), "9.2 EB");
}

TEST(Progress, StatisticsAreATable) {
  // Whatever locale the program has set.
  const multibuffer::testing::ForeignLocale foreign;
  EXPECT_EQ(stats_table({{"read", 0.5, 0}, {"gather", 2000, 5'000'000'000'000}}),
            "phase        seconds         moved      GB/s\n"
            "read        0.500000\n"
            "gather    2000.000000        5.0 TB      2.50\n"
            "total     2000.500000\n");
}

}  // namespace
}  // namespace multibuffer::cli
