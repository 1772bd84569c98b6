#include "host/files/whole_file.hpp"

#include <multibuffer/error.hpp>

#include "host/support/text.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <memory>
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

// Temporary names are short, so that the file system takes them wherever it takes the real name.
std::string temporary_name(const std::string& directory) {
  static std::atomic<unsigned> count = 0;
  return text(directory, "/.multibuffer-", getpid(), "-", count++, ".part");
}

// Makes a rename durable by syncing its directory. Some file systems cannot, and offer nothing
// better.
void sync_directory(const std::string& directory) {
  const int descriptor = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  fsync(descriptor);
  close(descriptor);
}

// The path through which a file without a name gets one, without a privilege.
std::string name_of_descriptor(int descriptor) { return text("/proc/self/fd/", descriptor); }

}  // namespace

std::optional<int> descriptor_of_name(std::string_view path) {
  if (path == "/dev/stdin") return STDIN_FILENO;
  if (path == "/dev/stdout") return STDOUT_FILENO;
  if (path == "/dev/stderr") return STDERR_FILENO;
  for (const std::string_view directory : {"/dev/fd/", "/proc/self/fd/"}) {
    if (!path.starts_with(directory)) continue;
    const std::string_view digits = path.substr(directory.size());
    int number = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error == std::errc{} && end == digits.data() + digits.size() && number >= 0) return number;
  }
  return {};
}

WholeFile::WholeFile(const std::string& path) : path_(path), target_(follow_links(path)) {
  if (const std::optional<int> number = descriptor_of_name(path)) {
    open_descriptor(*number);
    return;
  }
  struct stat status {};
  const bool exists = stat(target_.c_str(), &status) == 0;
  if (!exists && errno != ENOENT) fail(errno);
  if (exists && S_ISDIR(status.st_mode)) fail(EISDIR);
  if (path.empty() || path.back() == '/') fail(path.empty() ? ENOENT : EISDIR);
  // Renaming needs no permission of the file that it replaces, but a read-only file is respected.
  if (exists && access(target_.c_str(), W_OK) != 0) fail(errno);
  if (exists && !S_ISREG(status.st_mode)) {
    open_device();
  } else {
    if (!open_unnamed()) open_named();
    if (exists) take_permissions();
  }
}

// Duplicates the descriptor. Opening its name would begin to write at the start of the file.
void WholeFile::open_descriptor(int number) {
  const int flags = fcntl(number, F_GETFL);
  if (flags < 0) fail(errno);
  if ((flags & O_ACCMODE) == O_RDONLY) fail(EBADF);
  descriptor_ = fcntl(number, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (descriptor_ < 0) fail(errno);
}

void WholeFile::open_device() {
  descriptor_ = open(target_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (descriptor_ < 0) fail(errno);
}

// Opens a file without a name. Returns false if the system has none, or none that can be named
// later.
bool WholeFile::open_unnamed() {
  descriptor_ = open(directory_of(target_).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
  if (descriptor_ < 0) return false;
  if (access(name_of_descriptor(descriptor_).c_str(), F_OK) == 0) {
    way_ = Way::unnamed;
    return true;
  }
  close(std::exchange(descriptor_, -1));
  return false;
}

void WholeFile::open_named() {
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
  way_ = Way::named;
  unfinished().paths.insert(temporary_);
}

// Copies the permissions of the file that is replaced. If the system does not allow it, the file
// keeps the permissions of a new one.
void WholeFile::take_permissions() {
  struct stat status {};
  if (stat(target_.c_str(), &status) != 0) return;
  [[maybe_unused]] const int ignored = fchmod(descriptor_, status.st_mode & 07777);
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
  throw Failure(Errc::file_unwritable, detail);
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
  if (way_ != Way::direct && fsync(descriptor_) != 0) fail(errno);
  if (way_ == Way::unnamed) link_or_copy();
  // Some network file systems report a failed write only here.
  if (close(std::exchange(descriptor_, -1)) != 0) fail(errno);
  if (way_ == Way::direct) return;
  if (!temporary_.empty()) {
    const std::lock_guard lock(unfinished().mutex);
    if (std::rename(temporary_.c_str(), target_.c_str()) != 0) fail(errno);
    unfinished().paths.erase(std::exchange(temporary_, {}));
  }
  sync_directory(directory_of(target_));
}

// Gives the file its name. A link never replaces a file; if one has the name already, the new file
// gets a temporary name and is renamed. If the process is killed in between, a complete file stays
// under the temporary name.
void WholeFile::link_or_copy() {
  const std::string from = name_of_descriptor(descriptor_);
  const auto link_as = [&](const std::string& name) {
    return linkat(AT_FDCWD, from.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
  };
  if (link_as(target_)) return;
  if (errno == EEXIST) {
    const std::lock_guard lock(unfinished().mutex);
    std::string name;
    bool linked = false;
    do {
      name = temporary_name(directory_of(target_));
      linked = link_as(name);
    } while (!linked && errno == EEXIST);
    if (linked) {
      unfinished().paths.insert(name);
      temporary_ = std::move(name);
      return;
    }
  }
  copy_to_named();
}

// Copies the bytes to a file with a name, where files without one cannot get one later.
void WholeFile::copy_to_named() {
  const int from = std::exchange(descriptor_, -1);
  const std::unique_ptr<const int, void (*)(const int*)> closed(
      &from, [](const int* descriptor) { close(*descriptor); });
  open_named();
  struct stat status {};
  if (fstat(from, &status) == 0) {
    [[maybe_unused]] const int ignored = fchmod(descriptor_, status.st_mode & 07777);
  }
  std::array<std::byte, std::size_t{1} << 16> piece;
  const std::int64_t size = std::exchange(written_, 0);
  while (written_ < size) {
    const ssize_t count = pread(from, piece.data(), piece.size(), written_);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail(count < 0 ? errno : EIO);
    write(std::span(piece).first(static_cast<std::size_t>(count)));
  }
  if (fsync(descriptor_) != 0) fail(errno);
}

void discard_unfinished_files() noexcept {
  const std::lock_guard lock(unfinished().mutex);
  for (const std::string& path : unfinished().paths) unlink(path.c_str());
}

}  // namespace multibuffer::files
