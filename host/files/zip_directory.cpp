#include "host/files/zip_directory.hpp"

#include <multibuffer/error.hpp>

#include "host/support/text.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

// From the end of the file to its beginning:
//
//     end record, 22 bytes and a comment ──► [ZIP64: locator, 20 bytes, and end record, 56 bytes]
//       ──► directory, an entry of 46 bytes, a name, extra fields and a comment for each member
//       ──► each member's own header, 30 bytes, a name and extra fields; then its bytes

namespace multibuffer::files {
namespace {

constexpr std::string_view end_mark = "PK\x05\x06";
constexpr std::string_view wide_locator_mark = "PK\x06\x07";
constexpr std::string_view wide_end_mark = "PK\x06\x06";
constexpr std::string_view entry_mark = "PK\x01\x02";
constexpr std::string_view header_mark = "PK\x03\x04";
constexpr std::size_t end_bytes = 22;
constexpr std::size_t wide_locator_bytes = 20;
constexpr std::size_t wide_end_bytes = 56;
constexpr std::size_t entry_bytes = 46;
constexpr std::size_t header_bytes = 30;
constexpr std::size_t longest_comment = 65535;
constexpr std::uint64_t in_extra_field = 0xffffffff;  // a number that has no room in 32 bits

/// Reads a little-endian number of so many bytes.
std::uint64_t number_at(std::string_view bytes, std::size_t at, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = count; i-- > 0;)
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

[[noreturn]] void refuse(const InputFile& file, std::string_view what) {
  throw Failure(Errc::file_invalid, text(file.path(), ": ", what));
}
[[noreturn]] void refuse_directory(const InputFile& file) {
  refuse(file, "is a damaged ZIP archive: its directory is cut, or leads out of the file");
}

std::string bytes_at(const InputFile& file, std::uint64_t offset, std::size_t count) {
  std::string bytes(count, '\0');
  file.read(static_cast<std::int64_t>(offset), std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

/// Where the directory lies in the file, and what is to be added to the offsets in it.
struct Directory {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t bytes_before_archive = 0;
  std::uint64_t entries = 0;
  bool is_wide = false;  ///< else the number of entries is modulo 65536
};

Directory find_directory(const InputFile& file) {
  const auto bytes = static_cast<std::uint64_t>(file.bytes());
  const std::size_t tail_bytes = std::min<std::uint64_t>(
      bytes, longest_comment + end_bytes + wide_locator_bytes + wide_end_bytes);
  const std::uint64_t tail_begin = bytes - tail_bytes;
  const std::string kept = bytes_at(file, tail_begin, tail_bytes);
  const std::string_view tail = kept;
  const std::size_t end = tail.rfind(end_mark);
  if (end == std::string_view::npos || tail.size() - end < end_bytes)
    refuse(file, bytes == 0 ? "is empty"
                            : "is no ZIP archive, as .npz files are, or is cut: it has no "
                              "directory at its end");
  Directory directory{.end = tail_begin + end, .entries = number_at(tail, end + 10, 2)};
  std::uint64_t size = number_at(tail, end + 12, 4);
  std::uint64_t offset = number_at(tail, end + 16, 4);
  if (end >= wide_locator_bytes + wide_end_bytes &&
      tail.substr(end - wide_locator_bytes).starts_with(wide_locator_mark)) {
    const std::size_t wide_end = end - wide_locator_bytes - wide_end_bytes;
    if (!tail.substr(wide_end).starts_with(wide_end_mark)) refuse_directory(file);
    directory.end = tail_begin + wide_end;
    directory.entries = number_at(tail, wide_end + 32, 8);
    directory.is_wide = true;
    size = number_at(tail, wide_end + 40, 8);
    offset = number_at(tail, wide_end + 48, 8);
  }
  // The directory lies in front of its end; what is not accounted for lies in front of the archive.
  if (size > directory.end || offset > directory.end - size) refuse_directory(file);
  directory.begin = directory.end - size;
  directory.bytes_before_archive = directory.begin - offset;
  return directory;
}

/// Reads a directory from its beginning to its end, in pieces.
class DirectoryBytes {
 public:
  DirectoryBytes(const InputFile& file, const Directory& directory)
      : file_(file), next_(directory.begin), end_(directory.end) {}
  bool at_end() const noexcept { return used_ == piece_.size() && next_ == end_; }
  /// Takes the next bytes, which are valid until the next call.
  std::string_view take(std::size_t count) {
    if (piece_.size() - used_ < count) read_on(count);
    const std::string_view taken = std::string_view(piece_).substr(used_, count);
    used_ += count;
    return taken;
  }

 private:
  void read_on(std::size_t count) {
    constexpr std::size_t piece_bytes = std::size_t{1} << 20;
    piece_.erase(0, used_);
    used_ = 0;
    const std::size_t more = std::min<std::uint64_t>(std::max(count, piece_bytes), end_ - next_);
    if (piece_.size() + more < count) refuse_directory(file_);
    piece_ += bytes_at(file_, next_, more);
    next_ += more;
  }

  const InputFile& file_;
  std::uint64_t next_, end_;
  std::string piece_;
  std::size_t used_ = 0;
};

/// Takes the numbers that have no room in an entry out of its extra fields, in the order that they
/// have there.
void read_wide_numbers(std::string_view extra, ZipMember& member) {
  while (extra.size() >= 4) {
    const std::size_t size = std::min<std::size_t>(number_at(extra, 2, 2), extra.size() - 4);
    if (number_at(extra, 0, 2) != 1) {
      extra.remove_prefix(4 + size);
      continue;
    }
    std::string_view numbers = extra.substr(4, size);
    for (std::uint64_t* const number : {&member.bytes, &member.stored_bytes, &member.header}) {
      if (*number != in_extra_field) continue;
      if (numbers.size() < 8) return;
      *number = number_at(numbers, 0, 8);
      numbers.remove_prefix(8);
    }
    return;
  }
}

ZipMember take_entry(const InputFile& file, DirectoryBytes& directory) {
  const std::string_view entry = directory.take(entry_bytes);
  if (!entry.starts_with(entry_mark)) refuse_directory(file);
  ZipMember member{.name = {},
                   .flags = static_cast<std::uint16_t>(number_at(entry, 8, 2)),
                   .method = static_cast<std::uint16_t>(number_at(entry, 10, 2)),
                   .stored_bytes = number_at(entry, 20, 4),
                   .bytes = number_at(entry, 24, 4),
                   .header = number_at(entry, 42, 4)};
  const std::size_t name_bytes = number_at(entry, 28, 2);
  const std::size_t extra_bytes = number_at(entry, 30, 2);
  const std::size_t comment_bytes = number_at(entry, 32, 2);
  member.name = directory.take(name_bytes);
  if (member.name.find('\0') != std::string::npos)
    refuse(file, "is a damaged ZIP archive: a member's name has a null character");
  read_wide_numbers(directory.take(extra_bytes), member);
  directory.take(comment_bytes);
  return member;
}

}  // namespace

std::vector<ZipMember> read_zip_directory(const InputFile& file) {
  const Directory directory = find_directory(file);
  DirectoryBytes bytes(file, directory);
  std::vector<ZipMember> members;
  while (!bytes.at_end()) {
    members.push_back(take_entry(file, bytes));
    // One that leads out of the file is refused when it is asked for.
    std::uint64_t& header = members.back().header;
    if (__builtin_add_overflow(header, directory.bytes_before_archive, &header))
      header = ~std::uint64_t{0};
  }
  const std::uint64_t entries = directory.is_wide ? members.size() : members.size() & 0xffff;
  if (entries != directory.entries) refuse_directory(file);
  return members;
}

std::int64_t begin_of_stored(const InputFile& file, const ZipMember& member,
                             const std::string& name) {
  const auto bytes = static_cast<std::uint64_t>(file.bytes());
  const auto refuse_member = [&](const auto&... what) {
    throw Failure(Errc::file_invalid, text(name, ": is damaged: ", what...));
  };
  const std::size_t with_name = header_bytes + member.name.size();
  if (member.header > bytes || bytes - member.header < with_name)
    refuse_member("its header is at byte ", member.header, ", in a file of ", bytes);
  const std::string header = bytes_at(file, member.header, with_name);
  if (!header.starts_with(header_mark) || number_at(header, 26, 2) != member.name.size() ||
      !header.ends_with(member.name))
    refuse_member("there is no such member where the archive's directory says");
  const std::uint64_t begin = member.header + with_name + number_at(header, 28, 2);
  if (member.bytes != member.stored_bytes)
    refuse_member("it is not compressed, and has ", member.stored_bytes, " bytes for ",
                  member.bytes);
  if (begin > bytes || bytes - begin < member.bytes)
    refuse_member("it has ", member.bytes, " bytes from byte ", begin, " on, in a file of ", bytes);
  return static_cast<std::int64_t>(begin);
}

}  // namespace multibuffer::files
