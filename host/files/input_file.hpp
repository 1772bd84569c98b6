#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace multibuffer::files {

/// The size and the time by which a file that was changed, cut or replaced is told.
struct FileStamp {
  std::int64_t bytes = 0;
  std::int64_t modified = 0;  ///< nanoseconds since 1970

  static FileStamp of(const struct stat& status) noexcept;
  bool operator==(const FileStamp&) const = default;
};

/// A regular file that is read by position. Several threads may read one at a time.
class InputFile {
 public:
  /// Throws `file_unreadable`, naming the file and the system's reason.
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;

  const std::string& path() const noexcept { return path_; }
  int descriptor() const noexcept { return descriptor_; }
  /// As the file was when it was opened.
  const struct stat& status() const noexcept { return status_; }
  FileStamp stamp() const noexcept { return FileStamp::of(status_); }
  std::int64_t bytes() const noexcept { return stamp().bytes; }

  /// Fills `to` from byte `offset` on. Throws `file_changed` if the file ends before, since callers
  /// ask for what the file had when it was opened, and `file_unreadable` with the system's reason.
  void read(std::int64_t offset, std::span<std::byte> to) const;
  /// Throws `file_changed` if the file is not as it was when it was opened.
  void check_unchanged() const;

 private:
  std::string path_;
  int descriptor_;
  struct stat status_ {};
};

[[noreturn]] void throw_unreadable(const std::string& path, int error);

}  // namespace multibuffer::files
