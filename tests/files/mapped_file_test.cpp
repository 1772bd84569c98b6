#include "host/files/mapped_file.hpp"

#include "tests/testing/scratch.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <deque>
#include <string>
#include <utility>

namespace multibuffer::files {
namespace {

constexpr std::size_t small = std::size_t{64} << 10;
constexpr std::size_t most = std::size_t{64} << 20;

bool is_mapped(const MappedFile& file) { return path_of_mapping(file.bytes().data()) != nullptr; }

TEST(MappedFile, SmallOnesAreReadUntilTheyTakeTooMuchMemory) {
  const testing::Scratch scratch;
  const std::string path = scratch / "small";
  testing::write_file(path, std::string(small, 'x'));
  std::deque<MappedFile> files;
  for (std::size_t i = 0; i < most / small; ++i) {
    files.emplace_back(path);
    ASSERT_FALSE(is_mapped(files.back())) << i;
  }
  files.emplace_back(path);
  EXPECT_TRUE(is_mapped(files.back()));
  EXPECT_EQ(files.back().bytes().size(), small);
  EXPECT_EQ(files.back().bytes()[small - 1], std::byte{'x'});

  files.pop_front();
  EXPECT_FALSE(is_mapped(MappedFile(path))) << "there is room again";
  const MappedFile moved = std::move(files.front());
  files.clear();
  EXPECT_FALSE(is_mapped(moved));
  EXPECT_EQ(moved.bytes()[0], std::byte{'x'});
  for (std::size_t i = 1; i < most / small; ++i) files.emplace_back(path);
  EXPECT_FALSE(is_mapped(files.back())) << "all that was read has been forgotten";
  EXPECT_TRUE(is_mapped(MappedFile(path)));
}

TEST(MappedFile, LargeOnesAreMapped) {
  const testing::Scratch scratch;
  const std::string path = scratch / "large";
  testing::write_file(path, std::string(small + 1, 'x'));
  const MappedFile file(path);
  EXPECT_TRUE(is_mapped(file));
  EXPECT_STREQ(path_of_mapping(file.bytes().data() + small), path.c_str());
}

}  // namespace
}  // namespace multibuffer::files
