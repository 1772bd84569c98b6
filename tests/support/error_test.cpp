#include <multibuffer/error.hpp>

#include <gtest/gtest.h>

#include <exception>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace multibuffer {
namespace {

/// Returns the enumerator's name as GCC writes it, "multibuffer::Errc::NAME"; for a number that
/// none has, "(multibuffer::Errc)NUMBER".
template <Errc code>
std::string_view spelled() {
  const std::string_view text = __PRETTY_FUNCTION__;
  const std::size_t begin = text.find("code = ") + 7;
  return text.substr(begin, text.find_first_of(";]", begin) - begin);
}
template <std::size_t... codes>
std::vector<std::string_view> spelled(std::index_sequence<codes...> /*first codes*/) {
  return {spelled<static_cast<Errc>(codes)>()...};
}

TEST(Error, TableHasEveryCodeInOrder) {
  const auto table = error_table();
  std::vector<std::string> names_of_codes;
  for (const std::string_view text : spelled(std::make_index_sequence<64>()))
    if (text.find("::Errc::") != text.npos)
      names_of_codes.emplace_back(text.substr(text.rfind(':') + 1));
  ASSERT_EQ(table.size(), names_of_codes.size()) << "a code has no row, or a row no code";
  std::set<std::string_view> names, sentences;
  for (std::size_t i = 0; i < table.size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(table[i].code), i) << table[i].name;
    EXPECT_EQ(table[i].name, names_of_codes[i]);
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
