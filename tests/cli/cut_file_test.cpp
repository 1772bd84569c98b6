#include "host/cli/cut_file.hpp"

#include <multibuffer/error.hpp>

#include "host/files/mapped_file.hpp"
#include "host/files/whole_file.hpp"
#include "host/support/thread_pool.hpp"
#include "tests/testing/refused_calls.hpp"
#include "tests/testing/scratch.hpp"
#include "tests/testing/throws.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// Files that another program cuts while they are read.
namespace multibuffer {
namespace {

using files::MappedFile;
using multibuffer::testing::as_bytes;
using multibuffer::testing::expect_error;
using multibuffer::testing::read_file;
using multibuffer::testing::Scratch;
using multibuffer::testing::write_file;

constexpr std::size_t large = 1 << 20;  // enough to be mapped

class CutFile : public ::testing::Test {
 protected:
  CutFile() { write_file(in(), std::string(large, 'x')); }
  std::string in() const { return scratch_ / "in"; }
  void cut(off_t size) const { ASSERT_EQ(truncate(in().c_str(), size), 0); }

  /// The status of a process that does `work`, and what it says on standard error.
  std::pair<int, std::string> outcome_of(const std::function<void()>& work) const {
    const pid_t child = fork();
    if (child == 0) {
      dup2(open((log_ / "err").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
      work();
      _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return {status, read_file(log_ / "err")};
  }

  Scratch scratch_;
  Scratch log_;
};

int last_byte(const MappedFile& file) {
  return *static_cast<const volatile unsigned char*>(
      static_cast<const void*>(&file.bytes().back()));
}

TEST_F(CutFile, IsNamedAndNothingIsLeft) {
  const auto [status, words] = outcome_of([&] {
    cli::report_cut_files();
    // Where files need names from the start, they are removed.
    multibuffer::testing::refuse_calls({multibuffer::testing::unnamed_files});
    const MappedFile file(in());
    files::WholeFile out(scratch_ / "out");
    out.write(as_bytes("half"));
    cut(4096);
    last_byte(file);
  });
  EXPECT_EQ(status, 2 << 8);
  EXPECT_EQ(words, "multibuffer: cannot read the file: " + in() +
                       ": another program has cut it while it was read, or its disk failed\n");
  EXPECT_EQ(scratch_.names(), std::vector<std::string>{"in"});
}

TEST_F(CutFile, IsNamedWhateverThreadReadsIt) {
  const auto [status, words] = outcome_of([&] {
    cli::report_cut_files();
    const MappedFile file(in());
    cut(4096);
    const std::thread::id caller = std::this_thread::get_id();
    run_on_threads(1, [&] {
      if (std::this_thread::get_id() != caller) last_byte(file);
      std::this_thread::sleep_for(std::chrono::seconds(5));
    });
  });
  EXPECT_EQ(status, 2 << 8);
  EXPECT_NE(words.find(in()), std::string::npos) << words;
}

TEST_F(CutFile, OtherBusErrorsEndTheProcessAsEver) {
  const auto [status, words] = outcome_of([&] {
    cli::report_cut_files();
    const MappedFile file(in());
    raise(SIGBUS);
  });
  EXPECT_EQ(WTERMSIG(status), SIGBUS);
  EXPECT_EQ(words, "");
}

TEST_F(CutFile, TheFileOfAnAddressIsKnownWhileItIsMapped) {
  const std::byte* inside = nullptr;
  {
    MappedFile file(in());
    inside = &file.bytes()[large / 2];
    EXPECT_EQ(files::path_of_mapping(inside), in());
    const MappedFile moved = std::move(file);
    EXPECT_EQ(files::path_of_mapping(inside), in());
    EXPECT_EQ(files::path_of_mapping(&moved.bytes().back() + 1), nullptr);
    EXPECT_EQ(files::path_of_mapping(&inside), nullptr);
  }
  EXPECT_EQ(files::path_of_mapping(inside), nullptr);
}

TEST_F(CutFile, AChangeIsSeenWhenItIsAskedFor) {
  const MappedFile file(in());
  file.check_unchanged();
  cut(large - 10);  // within the last page, where zeros are read
  expect_error(Errc::file_changed, in() + ": another program has changed it",
               [&] { file.check_unchanged(); });
  write_file(in(), std::string(large, 'y'));
  expect_error(Errc::file_changed, in(), [&] { file.check_unchanged(); });
}

TEST_F(CutFile, AReplacedOrRemovedFileIsAsItWas) {
  const MappedFile file(in());
  write_file(scratch_ / "new", "short");
  ASSERT_EQ(rename((scratch_ / "new").c_str(), in().c_str()), 0);
  file.check_unchanged();
  EXPECT_EQ(last_byte(file), 'x');
  ASSERT_EQ(unlink(in().c_str()), 0);
  file.check_unchanged();
}

TEST_F(CutFile, SmallFilesAreReadAtOnce) {
  write_file(in(), "small");
  const MappedFile file(in());
  EXPECT_EQ(files::path_of_mapping(file.bytes().data()), nullptr);
  cut(0);
  EXPECT_EQ(last_byte(file), 'l');
  file.check_unchanged();
}

}  // namespace
}  // namespace multibuffer
