#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace multibuffer::files {

/// A file that appears under its name only when it is whole. Until `commit`, the bytes go to a file
/// without a name in the same directory, which is gone with the process however that ends; where
/// the file system has no such files, to a temporary one (".multibuffer-*.part"), which is removed
/// unless the process is killed. A file that was there before is replaced at once, and keeps its
/// permissions. Pipes, devices (/dev/null) and open descriptors (/dev/stdout) have no such thing as
/// whole and are written directly.
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
  enum class Way { direct, unnamed, named };

  [[noreturn]] void fail(int error) const;
  void open_descriptor(int number);
  void open_device();
  bool open_unnamed();
  void open_named();
  void take_permissions();
  void link_or_copy();
  void copy_to_named();

  std::string path_;       // as the caller wrote it: for messages
  std::string target_;     // with symbolic links followed, so that they stay links
  std::string temporary_;  // the name that the file has for a while, or empty
  Way way_ = Way::direct;
  int descriptor_ = -1;
  std::int64_t written_ = 0;
};

/// The descriptor that the path is a name of (/dev/stdout, /dev/fd/3), if it is one.
std::optional<int> descriptor_of_name(std::string_view path);

/// Removes the temporary files of all `WholeFile`s that were not committed: for a process that has
/// to end at once, from another thread than theirs or from a handler of SIGBUS.
void discard_unfinished_files() noexcept;

}  // namespace multibuffer::files
