#include "host/files/mapped_file.hpp"

#include <multibuffer/error.hpp>

#include "host/support/process_lock.hpp"
#include "host/support/text.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <utility>

namespace multibuffer::files {
namespace {

// Files up to this size are read, which takes about as long as mapping one and touching its pages.
constexpr std::size_t small_file = std::size_t{64} << 10;
// While those that have been read take no more than this in the process. The next ones are mapped,
// so that the system can take their pages back.
constexpr std::size_t most_read = std::size_t{64} << 20;

struct Mapping {
  std::size_t size = 0;
  std::string path;
};

// These are the mappings that exist now, keyed by their first byte, and the bytes of small files.
struct Contents {
  std::map<const std::byte*, Mapping> mappings;
  std::size_t bytes_read = 0;
};

// For whoever holds ProcessLock::mappings.
Contents& contents() {
  static Contents& contents = *new Contents;  // never destroyed: threads may outlive main
  return contents;
}

// Returns the number of mappings that the system allows a process.
std::size_t largest_count() {
  constexpr std::size_t usual = 65530;
  static const std::size_t count = [] {
    std::size_t number = usual;
    return std::ifstream("/proc/sys/vm/max_map_count") >> number ? number : usual;
  }();
  return count;
}

// Returns how many files may be mapped. Libraries, threads and large blocks need mappings, too.
std::size_t most_files() {
  constexpr std::size_t others = 1000;
  return largest_count() > 2 * others ? largest_count() - others : largest_count() / 2;
}

// Counts `size` bytes of a file that is to be read. Returns false if it is to be mapped.
bool begin_to_read(std::size_t size) {
  if (size > small_file) return false;
  const std::lock_guard lock(process_mutex(ProcessLock::mappings));
  Contents& all = contents();
  if (all.bytes_read + size > most_read && all.mappings.size() < most_files()) return false;
  all.bytes_read += size;
  return true;
}

void forget_read(std::size_t size) {
  const std::lock_guard lock(process_mutex(ProcessLock::mappings));
  contents().bytes_read -= size;
}

[[noreturn]] void throw_too_many(const std::string& path, std::size_t mapped) {
  throw Failure(Errc::file_unreadable,
                text(path, ": ", mapped,
                     " files are mapped already, and the system allows a process ", largest_count(),
                     " mappings; raise the limit (sysctl vm.max_map_count) or give fewer files of "
                     "more than ",
                     small_file >> 10, " KiB at once"));
}

}  // namespace

MappedFile::State MappedFile::state_of(const struct stat& status) noexcept {
  return {status.st_dev, status.st_ino, status.st_size, status.st_mtim};
}

MappedFile::MappedFile(const InputFile& file)
    : path_(file.path()), state_(state_of(file.status())) {
  if (state_.size == 0) return;  // mmap refuses empty files
  if (!begin_to_read(static_cast<std::size_t>(state_.size))) {
    map(file.descriptor());
    return;
  }
  try {
    read_all(file);
  } catch (...) {
    forget_read(static_cast<std::size_t>(state_.size));
    throw;
  }
}

void MappedFile::read_all(const InputFile& file) {
  const auto size = static_cast<std::size_t>(state_.size);
  memory_ = std::make_unique_for_overwrite<std::byte[]>(size);
  file.read(0, {memory_.get(), size});
  file.check_unchanged();
  bytes_ = {memory_.get(), size};
}

void MappedFile::map(int descriptor) {
  const auto size = static_cast<std::size_t>(state_.size);
  const std::lock_guard lock(process_mutex(ProcessLock::mappings));
  auto& all = contents().mappings;
  if (all.size() >= most_files()) throw_too_many(path_, all.size());
  void* const address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (address == MAP_FAILED) throw_unreadable(path_, errno);
  const auto* const first = static_cast<const std::byte*>(address);
  try {
    all.insert_or_assign(first, Mapping{size, path_});
  } catch (...) {
    munmap(address, size);
    throw;
  }
  bytes_ = {first, size};
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      state_(other.state_),
      bytes_(std::exchange(other.bytes_, {})),
      memory_(std::move(other.memory_)) {}

MappedFile::~MappedFile() {
  if (bytes_.empty()) return;
  if (memory_) {
    forget_read(bytes_.size());
    return;
  }
  const std::lock_guard lock(process_mutex(ProcessLock::mappings));
  contents().mappings.erase(bytes_.data());
  munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void MappedFile::read_ahead() const noexcept {
  if (bytes_.empty() || memory_) return;
  madvise(const_cast<std::byte*>(bytes_.data()), bytes_.size(), MADV_WILLNEED);
}

void MappedFile::fail_as_changed() const {
  throw Failure(Errc::file_changed,
                text(path_, ": another program has changed it while it was read"));
}

void MappedFile::check_same(const State& now) const {
  if (now.device != state_.device || now.number != state_.number) return;
  if (now.size < state_.size || now.modified.tv_sec != state_.modified.tv_sec ||
      now.modified.tv_nsec != state_.modified.tv_nsec) {
    fail_as_changed();
  }
}

// Looks the file up by its name, since a process may not have as many descriptors as files. If
// another file has the name now, the mapped one was replaced or removed, and is unchanged.
void MappedFile::check_unchanged() const {
  struct stat status {};
  if (memory_ || stat(path_.c_str(), &status) != 0) return;
  check_same(state_of(status));
}

const char* path_of_mapping(const void* address) noexcept {
  const std::lock_guard lock(process_mutex(ProcessLock::mappings));
  const auto& all = contents().mappings;
  const auto* const byte = static_cast<const std::byte*>(address);
  const auto after = all.upper_bound(byte);
  if (after == all.begin()) return nullptr;
  const auto& [first, mapping] = *std::prev(after);
  return byte < first + mapping.size ? mapping.path.c_str() : nullptr;
}

}  // namespace multibuffer::files
