#include <multibuffer/error.hpp>

#include <gtest/gtest.h>

#include <exception>
#include <new>
#include <set>
#include <stdexcept>
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
  const Failure error(Errc::null_pointer, "level 0 at index [3]");
  EXPECT_STREQ(error.what(), "NULL pointer in a pointer table: level 0 at index [3]");
  EXPECT_EQ(error.code(), Errc::null_pointer);
  EXPECT_EQ(error.entry().name, "null_pointer");
}

/// Throws `Thrown`, made of `arguments`, and says whether a handler of `Caught` takes it.
template <class Caught, class Thrown, class... Arguments>
bool catches(const Arguments&... arguments) {
  try {
    throw Thrown(arguments...);
  } catch (const Caught& caught) {
    return std::string(caught.what()).find("on cuda:0") != std::string::npos;
  } catch (...) {
    return false;
  }
}

TEST(Error, HandlersOfTheStandardLibraryTakeIt) {
  const std::string detail = "7 bytes on cuda:0";
  EXPECT_TRUE((catches<Error, OutOfMemory>(detail)));
  EXPECT_TRUE((catches<std::bad_alloc, OutOfMemory>(detail)));
  EXPECT_TRUE((catches<std::exception, OutOfMemory>(detail)));
  EXPECT_FALSE((catches<std::runtime_error, OutOfMemory>(detail)));
  EXPECT_TRUE((catches<Error, Failure>(Errc::cuda_failure, detail)));
  EXPECT_TRUE((catches<std::runtime_error, Failure>(Errc::cuda_failure, detail)));
  EXPECT_TRUE((catches<std::exception, Failure>(Errc::cuda_failure, detail)));
  EXPECT_EQ(OutOfMemory(detail).code(), Errc::out_of_device_memory);
}

}  // namespace
}  // namespace multibuffer
