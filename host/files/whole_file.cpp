#include "host/files/whole_file.hpp"

#include <multibuffer/error.hpp>

#include "host/text.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <set>
#include <system_error>
#include <utility>

namespace multibuffer::files {
namespace {

// The temporary files that exist now.
struct Unfinished {
  std::mutex mutex;
  std::set<std::string> paths;
};

Unfinished& unfinished() {
  static Unfinished& files = *new Unfinished;  // never destroyed: threads may outlive main
  return files;
}

std::string follow_links(const std::string& path) {
  std::error_code error;
  const std::filesystem::path target = std::filesystem::canonical(path, error);
  return error ? path : target.string();
}

std::string directory_of(const std::string& path) {
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  return directory.empty() ? "." : directory.string();
}

// Short, so that no name that the file system takes makes a temporary one that it does not.
std::string temporary_name(const std::string& directory) {
  static std::atomic<unsigned> count = 0;
  return text(directory, "/.multibuffer-", getpid(), "-", count++, ".part");
}

// A rename is durable once its directory is. Not all file systems can sync a directory, and then
// there is nothing better to do.
void sync_directory(const std::string& directory) {
  const int descriptor = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  fsync(descriptor);
  close(descriptor);
}

}  // namespace

WholeFile::WholeFile(const std::string& path) : path_(path), target_(follow_links(path)) {
  struct stat status {};
  const bool exists = stat(target_.c_str(), &status) == 0;
  if (!exists && errno != ENOENT) fail(errno);
  if (exists && S_ISDIR(status.st_mode)) fail(EISDIR);
  if (path.empty() || path.back() == '/') fail(path.empty() ? ENOENT : EISDIR);
  // Renaming asks no permission of the file that it replaces; its owner's wish counts all the same.
  if (exists && access(target_.c_str(), W_OK) != 0) fail(errno);
  if (exists && !S_ISREG(status.st_mode)) {
    open_device();
  } else {
    open_temporary(exists ? target_.c_str() : nullptr);
  }
}

void WholeFile::open_device() {
  descriptor_ = open(target_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (descriptor_ < 0) fail(errno);
}

void WholeFile::open_temporary(const char* like) {
  const std::string directory = directory_of(target_);
  const std::lock_guard lock(unfinished().mutex);
  do {
    temporary_ = temporary_name(directory);
    descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0) {
    temporary_.clear();
    fail(errno);
  }
  unfinished().paths.insert(temporary_);
  struct stat status {};
  if (like && stat(like, &status) == 0) {
    // Where the system does not allow it, the file has the permissions of a new one.
    [[maybe_unused]] const int ignored = fchmod(descriptor_, status.st_mode & 07777);
  }
}

WholeFile::~WholeFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (temporary_.empty()) return;
  const std::lock_guard lock(unfinished().mutex);
  unlink(temporary_.c_str());
  unfinished().paths.erase(temporary_);
}

void WholeFile::fail(int error) const {
  std::string detail = text(path_, ": ", std::generic_category().message(error));
  if (written_ > 0) detail += text(" (after ", written_, " bytes)");
  throw Error(Errc::file_unwritable, detail);
}

void WholeFile::write(std::span<const std::byte> bytes) {
  constexpr std::size_t most = std::size_t{1} << 30;  // Linux writes no more than 2 GiB at a time
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor_, bytes.data(), std::min(bytes.size(), most));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(errno);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    written_ += count;
  }
}

void WholeFile::commit() {
  if (!temporary_.empty() && fsync(descriptor_) != 0) fail(errno);
  // Network file systems may report a failed write only here.
  if (close(std::exchange(descriptor_, -1)) != 0) fail(errno);
  if (temporary_.empty()) return;
  {
    const std::lock_guard lock(unfinished().mutex);
    if (std::rename(temporary_.c_str(), target_.c_str()) != 0) fail(errno);
    unfinished().paths.erase(std::exchange(temporary_, {}));
  }
  sync_directory(directory_of(target_));
}

void discard_unfinished_files() noexcept {
  const std::lock_guard lock(unfinished().mutex);
  for (const std::string& path : unfinished().paths) unlink(path.c_str());
}

}  // namespace multibuffer::files
