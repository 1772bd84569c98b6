#include "host/files/whole_file.hpp"

#include "tests/scratch.hpp"
#include "tests/throws.hpp"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <string>

namespace multibuffer::files {
namespace {

using multibuffer::testing::as_bytes;
using multibuffer::testing::expect_error;
using multibuffer::testing::read_file;
using multibuffer::testing::Scratch;
using multibuffer::testing::write_file;

using Names = std::vector<std::string>;

void write_whole(const std::string& path, const std::string& bytes) {
  WholeFile file(path);
  file.write(as_bytes(bytes));
  file.commit();
}

TEST(WholeFile, AppearsWhenItIsCommitted) {
  const Scratch scratch;
  {
    WholeFile file(scratch / "out");
    file.write(as_bytes("whole"));
    EXPECT_FALSE(std::filesystem::exists(scratch / "out"));
    EXPECT_EQ(file.written(), 5);
    file.commit();
    EXPECT_EQ(read_file(scratch / "out"), "whole");
  }
  EXPECT_EQ(scratch.names(), Names{"out"});
}

TEST(WholeFile, LeavesNothingUnlessItIsCommitted) {
  const Scratch scratch;
  { WholeFile(scratch / "out").write(as_bytes("half")); }
  EXPECT_EQ(scratch.names(), Names{});
}

TEST(WholeFile, ReplacesAFileAtOnceAndKeepsItsPermissions) {
  const Scratch scratch;
  write_file(scratch / "out", "before");
  ASSERT_EQ(chmod((scratch / "out").c_str(), 0640), 0);
  { WholeFile(scratch / "out").write(as_bytes("half")); }
  EXPECT_EQ(read_file(scratch / "out"), "before");
  write_whole(scratch / "out", "after");
  EXPECT_EQ(read_file(scratch / "out"), "after");
  struct stat status {};
  ASSERT_EQ(stat((scratch / "out").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640U);
  EXPECT_EQ(scratch.names(), Names{"out"});
}

TEST(WholeFile, NewFilesHaveThePermissionsOfNewFiles) {
  const Scratch scratch;
  write_file(scratch / "other", "");
  write_whole(scratch / "out", "whole");
  struct stat out {};
  struct stat other {};
  ASSERT_EQ(stat((scratch / "out").c_str(), &out), 0);
  ASSERT_EQ(stat((scratch / "other").c_str(), &other), 0);
  EXPECT_EQ(out.st_mode, other.st_mode);
}

TEST(WholeFile, ASymbolicLinkStaysOne) {
  const Scratch scratch;
  write_file(scratch / "real", "before");
  std::filesystem::create_symlink("real", scratch / "link");
  write_whole(scratch / "link", "after");
  EXPECT_TRUE(std::filesystem::is_symlink(scratch / "link"));
  EXPECT_EQ(read_file(scratch / "real"), "after");
}

TEST(WholeFile, TakesAnyNameThatTheFileSystemTakes) {
  const Scratch scratch;
  const std::string name(255, 'n');
  write_whole(scratch / name, "whole");
  EXPECT_EQ(read_file(scratch / name), "whole");
}

TEST(WholeFile, WritesDevicesDirectly) {
  write_whole("/dev/null", "gone");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  expect_error(Errc::file_unwritable, "/dev/full: No space left on device",
               [] { write_whole("/dev/full", "too much"); });
}

TEST(WholeFile, SaysAtOnceWhyItCannotBeMade) {
  const Scratch scratch;
  const auto expect_refused = [](const std::string& path, const std::string& reason) {
    expect_error(Errc::file_unwritable, path + ": " + reason, [&] { WholeFile file(path); });
  };
  expect_refused(scratch.path(), "Is a directory");
  expect_refused(scratch / "none/out", "No such file or directory");
  expect_refused(scratch / "out/", "Is a directory");
  expect_refused("", "No such file or directory");
  write_file(scratch / "file", "");
  expect_refused(scratch / "file/out", "Not a directory");
  expect_refused(scratch / std::string(256, 'n'), "File name too long");
}

TEST(WholeFile, RespectsReadOnlyFilesAndDirectories) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write anywhere";
  const Scratch scratch;
  write_file(scratch / "out", "before");
  ASSERT_EQ(chmod((scratch / "out").c_str(), 0444), 0);
  expect_error(Errc::file_unwritable, "Permission denied",
               [&] { WholeFile file(scratch / "out"); });
  ASSERT_EQ(chmod(scratch.path().c_str(), 0555), 0);
  expect_error(Errc::file_unwritable, "Permission denied",
               [&] { WholeFile file(scratch / "new"); });
  ASSERT_EQ(chmod(scratch.path().c_str(), 0755), 0);
}

/// No file may become longer, for a while.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST(WholeFile, AFailedWriteLeavesWhatWasThere) {
  const Scratch scratch;
  write_file(scratch / "out", "before");
  {
    const FileSizeLimit limit(100);
    expect_error(Errc::file_unwritable, "File too large (after 100 bytes)",
                 [&] { write_whole(scratch / "out", std::string(1000, 'x')); });
  }
  EXPECT_EQ(read_file(scratch / "out"), "before");
  EXPECT_EQ(scratch.names(), Names{"out"});
}

TEST(WholeFile, AFullDiskLeavesWhatWasThere) {
  const Scratch scratch;
  std::filesystem::create_directory(scratch / "disk");
  if (mount("tmpfs", (scratch / "disk").c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "no small file system can be mounted here: " << std::strerror(errno);
  }
  expect_error(Errc::file_unwritable, "No space left on device",
               [&] { write_whole(scratch / "disk/out", std::string(1 << 20, 'x')); });
  EXPECT_TRUE(std::filesystem::is_empty(scratch / "disk"));
  EXPECT_EQ(umount((scratch / "disk").c_str()), 0);
}

TEST(WholeFile, UnfinishedFilesCanBeDiscarded) {
  const Scratch scratch;
  WholeFile one(scratch / "one");
  WholeFile two(scratch / "two");
  EXPECT_EQ(scratch.names().size(), 2U);
  discard_unfinished_files();
  EXPECT_EQ(scratch.names(), Names{});
}

}  // namespace
}  // namespace multibuffer::files
