#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <ctime>
#include <memory>
#include <span>
#include <string>

namespace multibuffer::files {

/// The bytes of a whole regular file. It is mapped read only: pages are read when they are touched,
/// so what is not asked for is never read. A small file is read into memory instead, since the
/// system allows a process no more than some ten thousand mappings.
///
/// Where another program cuts a file that is mapped, touching what is gone raises SIGBUS, which
/// ends the process unless it has a handler; `path_of_mapping` tells a handler which file it was.
/// Replacing a file by rename, as `WholeFile` does, is safe.
class MappedFile {
 public:
  /// Throws `file_unreadable`, naming the file and the system's reason.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;

  const std::string& path() const noexcept { return path_; }
  std::span<const std::byte> bytes() const noexcept { return bytes_; }

  /// Starts reading ahead: for callers that will need all of it.
  void read_ahead() const noexcept;

  /// Throws `file_unreadable` if the file was cut or written to since it was opened: what was read
  /// of it may then be partly of one state and partly of another. (Not every cut raises SIGBUS:
  /// what is missing of the last page reads as zeros.)
  void check_unchanged() const;

 private:
  struct State {
    dev_t device = 0;
    ino_t number = 0;
    off_t size = 0;
    timespec modified{};
  };
  static State state_of(const struct stat& status) noexcept;
  [[noreturn]] void fail_as_changed() const;
  void check_same(const State& now) const;
  void read_all(int descriptor);
  void map(int descriptor);

  std::string path_;
  State state_;
  std::span<const std::byte> bytes_;
  std::unique_ptr<std::byte[]> memory_;  // of a file that is read; null if it is mapped
};

/// The file whose mapping `address` lies in, or null. For a handler of SIGBUS: it takes a lock,
/// which the thread that touched a mapping cannot hold, and allocates nothing. The name is valid as
/// long as the mapping.
const char* path_of_mapping(const void* address) noexcept;

}  // namespace multibuffer::files
