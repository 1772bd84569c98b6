#include "host/files/whole_file.hpp"

#include "tests/testing/refused_calls.hpp"
#include "tests/testing/scratch.hpp"
#include "tests/testing/throws.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <vector>

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

bool has_unnamed_files(const Scratch& scratch) {
  const int descriptor = open(scratch.path().c_str(), O_TMPFILE | O_WRONLY, 0600);
  if (descriptor >= 0) close(descriptor);
  return descriptor >= 0;
}

TEST(WholeFile, HasNoNameUntilItIsCommitted) {
  const Scratch scratch;
  if (!has_unnamed_files(scratch)) GTEST_SKIP() << "this file system has no files without names";
  write_file(scratch / "old", "before");
  WholeFile out(scratch / "out");
  out.write(as_bytes("whole"));
  WholeFile old(scratch / "old");
  old.write(as_bytes("after"));
  EXPECT_EQ(scratch.names(), Names{"old"});
  out.commit();
  old.commit();
  EXPECT_EQ(scratch.names(), (Names{"old", "out"}));
  EXPECT_EQ(read_file(scratch / "old"), "after");
}

TEST(WholeFile, AFileThatComesIntoBeingMeanwhileIsReplaced) {
  const Scratch scratch;
  WholeFile out(scratch / "out");
  out.write(as_bytes("whole"));
  write_file(scratch / "out", "somebody else's");
  out.commit();
  EXPECT_EQ(read_file(scratch / "out"), "whole");
  EXPECT_EQ(scratch.names(), Names{"out"});
}

/// Runs `work` in a process that is refused `calls`; a failure is what it returns, or dies of.
template <class Work>
void without(std::initializer_list<multibuffer::testing::RefusedCall> calls, const Work& work) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (!multibuffer::testing::refuse_calls(calls)) _exit(99);
    work();
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (status == 99 << 8) GTEST_SKIP() << "no system call can be refused here";
  EXPECT_EQ(status, 0);
}

TEST(WholeFile, HasATemporaryNameWhereFilesNeedOne) {
  const Scratch scratch;
  without({multibuffer::testing::unnamed_files}, [&] {
    write_file(scratch / "old", "before");
    EXPECT_EQ(chmod((scratch / "old").c_str(), 0640), 0);
    { WholeFile(scratch / "out").write(as_bytes("half")); }
    EXPECT_EQ(scratch.names(), Names{"old"});
    {
      WholeFile old(scratch / "old");
      old.write(as_bytes("after"));
      EXPECT_EQ(scratch.names().size(), 2U);
      EXPECT_EQ(read_file(scratch / "old"), "before");
      old.commit();
    }
    EXPECT_EQ(read_file(scratch / "old"), "after");
    struct stat status {};
    EXPECT_EQ(stat((scratch / "old").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0640U);
    WholeFile one(scratch / "one");
    WholeFile two(scratch / "two");
    EXPECT_EQ(scratch.names().size(), 3U);
    discard_unfinished_files();
    EXPECT_EQ(scratch.names(), Names{"old"});
  });
}

TEST(WholeFile, IsCopiedWhereALinkIsRefused) {
  const Scratch scratch;
  const std::string bytes(200'000, 'x');
  without({multibuffer::testing::links}, [&] {
    write_whole(scratch / "new", bytes);
    write_file(scratch / "old", "before");
    EXPECT_EQ(chmod((scratch / "old").c_str(), 0640), 0);
    write_whole(scratch / "old", bytes);
  });
  if (::testing::Test::IsSkipped()) return;
  EXPECT_EQ(read_file(scratch / "new"), bytes);
  EXPECT_EQ(read_file(scratch / "old"), bytes);
  struct stat status {};
  ASSERT_EQ(stat((scratch / "old").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640U);
  EXPECT_EQ(scratch.names(), (Names{"new", "old"}));
}

TEST(WholeFile, WritesOpenDescriptorsWhereTheyStand) {
  const Scratch scratch;
  write_file(scratch / "log", "before ");
  const int descriptor = open((scratch / "log").c_str(), O_WRONLY | O_APPEND);
  ASSERT_GE(descriptor, 0);
  write_whole(text("/dev/fd/", descriptor), "and ");
  write_whole(text("/proc/self/fd/", descriptor), "after");
  EXPECT_EQ(read_file(scratch / "log"), "before and after");
  close(descriptor);
  EXPECT_EQ(descriptor_of_name("/dev/stdout"), 1);
  EXPECT_EQ(descriptor_of_name("/dev/fd/17"), 17);
  for (const char* other : {"/dev/null", "/dev/fd/", "/dev/fd/1x", "/dev/fd/-1", "stdout", ""})
    EXPECT_FALSE(descriptor_of_name(other)) << other;
  const int reader = open((scratch / "log").c_str(), O_RDONLY);
  expect_error(Errc::file_unwritable, "Bad file descriptor",
               [&] { WholeFile file(text("/dev/fd/", reader)); });
  close(reader);
  expect_error(Errc::file_unwritable, "Bad file descriptor",
               [&] { WholeFile file(text("/dev/fd/", reader)); });
}

}  // namespace
}  // namespace multibuffer::files
