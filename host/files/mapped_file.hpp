#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace multibuffer::files {

/// A whole regular file, mapped read only. Pages are read when they are touched, so what is not
/// asked for is never read. A file that others cut while it is mapped ends the process (SIGBUS);
/// replacing it by rename, as `WholeFile` does, is safe.
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

 private:
  std::string path_;
  std::span<const std::byte> bytes_;
};

}  // namespace multibuffer::files
