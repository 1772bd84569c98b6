#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace multibuffer::files {

/// A file that appears under its name only when it is complete. Until `commit`, bytes go to a file
/// without a name in the same directory, which disappears with the process however that ends. If
/// the file system has no such files, they go to a temporary one (".multibuffer-*.part"), which is
/// removed unless the process is killed. An earlier file of that name is replaced atomically, and
/// its permissions are kept. Pipes, devices (/dev/null) and open descriptors (/dev/stdout) are
/// written directly.
class WholeFile {
 public:
  /// Throws `file_unwritable` if the file cannot be made, so a caller opens its output before it
  /// does the work.
  explicit WholeFile(const std::string& path);
  ~WholeFile();
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  const std::string& path() const noexcept { return path_; }
  std::int64_t written() const noexcept { return written_; }

  /// Appends bytes. Throws `file_unwritable` with the system's reason, such as a full disk.
  void write(std::span<const std::byte> bytes);

  /// Makes the file durable and gives it its name, after all is written. If it throws
  /// `file_unwritable`, an earlier file of that name is still there.
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
  std::string temporary_;  // the name until `commit`, or empty
  Way way_ = Way::direct;
  int descriptor_ = -1;
  std::int64_t written_ = 0;
};

/// Returns the descriptor that the path names (/dev/stdout, /dev/fd/3), or nothing.
std::optional<int> descriptor_of_name(std::string_view path);

/// Removes the temporary files of all `WholeFile`s that were not committed, for a process that must
/// end at once. May be called from any thread and from a handler of SIGBUS.
void discard_unfinished_files() noexcept;

}  // namespace multibuffer::files
