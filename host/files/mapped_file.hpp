#pragma once

#include "host/files/input_file.hpp"

#include <sys/types.h>

#include <cstddef>
#include <ctime>
#include <memory>
#include <span>
#include <string>

namespace multibuffer::files {

/// The bytes of a whole regular file. A large file is mapped read only: pages are read when they
/// are touched, and others never. A small file, of up to 64 KiB, is read into memory instead, since
/// the system allows a process only some ten thousand mappings; but where small files take 64 MiB
/// of the process' memory already, further ones are mapped, too, as long as there are mappings.
///
/// If another program cuts a mapped file, touching the missing part raises SIGBUS, which ends the
/// process unless it has a handler; `path_of_mapping` tells a handler which file it was.
/// Replacing a file by rename, as `WholeFile` does, is safe.
class MappedFile {
 public:
  /// Throws `file_unreadable`, naming the file and the system's reason.
  explicit MappedFile(const std::string& path) : MappedFile(InputFile(path)) {}
  /// The file may be closed then.
  explicit MappedFile(const InputFile& file);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;

  const std::string& path() const noexcept { return path_; }
  std::span<const std::byte> bytes() const noexcept { return bytes_; }

  /// Starts to read the file ahead, for callers that will need all of it.
  void read_ahead() const noexcept;

  /// Throws `file_changed` if the file was cut or written to since it was opened: the bytes read
  /// may then come from different states. (Not every cut raises SIGBUS: the missing part of the
  /// last page reads as zeros.)
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
  void read_all(const InputFile& file);
  void map(int descriptor);

  std::string path_;
  State state_;
  std::span<const std::byte> bytes_;
  std::unique_ptr<std::byte[]> memory_;  // the bytes of a small file; null if it is mapped
};

/// Returns the name of the file whose mapping `address` lies in, or null. Made for a handler of
/// SIGBUS: it takes a lock that a thread which touches a mapping cannot hold, and allocates
/// nothing. The name is valid as long as the mapping.
const char* path_of_mapping(const void* address) noexcept;

}  // namespace multibuffer::files
