#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace multibuffer::files {

/// A file that appears under its name only when it is whole. Until `commit`, the bytes go to a
/// temporary file in the same directory, which is removed if that never happens; a file that was
/// there before is replaced at once, and keeps its permissions. Pipes and devices (/dev/null) have
/// no such thing as whole and are written directly.
class WholeFile {
 public:
  /// Throws `file_unwritable` at once if the file cannot be made: a caller opens its output before
  /// it does the work.
  explicit WholeFile(const std::string& path);
  ~WholeFile();
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  const std::string& path() const noexcept { return path_; }
  std::int64_t written() const noexcept { return written_; }

  /// Appends. Throws `file_unwritable` with the system's reason: a full disk, for one.
  void write(std::span<const std::byte> bytes);

  /// All is written: makes it durable and gives it its name. Throws `file_unwritable`; then the
  /// file that was there before, if any, still is.
  void commit();

 private:
  [[noreturn]] void fail(int error) const;
  void open_device();
  void open_temporary(const char* like);

  std::string path_;       // as the caller wrote it: for messages
  std::string target_;     // with symbolic links followed, so that they stay links
  std::string temporary_;  // empty if the target is written directly
  int descriptor_ = -1;
  std::int64_t written_ = 0;
};

/// Removes the temporary files of all `WholeFile`s that were not committed: for a process that has
/// to end at once, from another thread than theirs.
void discard_unfinished_files() noexcept;

}  // namespace multibuffer::files
