#include <multibuffer/error.hpp>

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace multibuffer {
namespace {

TEST(Error, TableHasEveryCodeInOrder) {
  const auto table = error_table();
  ASSERT_EQ(table.size(), static_cast<std::size_t>(Errc::file_unwritable) + 1)
      << "the last code has moved, or a row is missing";
  std::set<std::string_view> names, sentences;
  for (std::size_t i = 0; i < table.size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(table[i].code), i) << table[i].name;
    EXPECT_TRUE(names.insert(table[i].name).second) << table[i].name;
    EXPECT_TRUE(sentences.insert(table[i].sentence).second) << table[i].sentence;
  }
}

TEST(Error, SaysTheSentenceAndTheDetail) {
  const Error error(Errc::null_pointer, "level 0 at index [3]");
  EXPECT_STREQ(error.what(), "NULL pointer in a pointer table: level 0 at index [3]");
  EXPECT_EQ(error.code(), Errc::null_pointer);
  EXPECT_EQ(error.entry().name, "null_pointer");
}

}  // namespace
}  // namespace multibuffer
