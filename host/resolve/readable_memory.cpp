#include "host/resolve/readable_memory.hpp"

#include <multibuffer/error.hpp>

#include "host/support/text.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace multibuffer {
namespace {

/// A line of the list: "7f1c2a000000-7f1c2a021000 r--p 00000000 08:01 131090   /usr/lib/...".
struct Mapping {
  AddressRange range;
  bool can_be_read = false;
  std::string_view file;  ///< device and inode; "00:00 0" of none
};

std::optional<Mapping> parse(std::string_view line) {
  Mapping mapping;
  const char* at = line.data();
  const char* const end = at + line.size();
  const auto number = [&](std::uint64_t& value, char behind) {
    const auto [next, error] = std::from_chars(at, end, value, 16);
    if (error != std::errc() || next == end || *next != behind) return false;
    at = next + 1;
    return true;
  };
  if (!number(mapping.range.begin, '-') || !number(mapping.range.end, ' ')) return {};
  std::string_view rest(at, static_cast<std::size_t>(end - at));
  mapping.can_be_read = rest.starts_with('r');
  std::size_t word = 0;
  for (int skipped = 0; skipped < 2 && word != std::string_view::npos; ++skipped)
    word = rest.find(' ', word) + 1;  // the permissions and the offset
  const std::size_t inode = rest.find(' ', word);
  if (inode == std::string_view::npos) return {};
  mapping.file = rest.substr(word, std::min(rest.find(' ', inode + 1), rest.size()) - word);
  // The kernel's own pages can be read, but belong to no exporter; some raise SIGBUS.
  if (rest.find("[vvar") != std::string_view::npos || rest.ends_with("[vsyscall]"))
    mapping.can_be_read = false;  // [vvar], and since Linux 6.13 [vvar_vclock]
  return mapping;
}

bool is_anonymous(std::string_view file) { return file.ends_with(" 0"); }

}  // namespace

ReadableMemory::ReadableMemory(const char* maps) {
  std::ifstream list(maps);
  std::string file;  // that the last range ends in
  for (std::string line; std::getline(list, line);) {
    const std::optional<Mapping> mapping = parse(line);
    if (!mapping) continue;
    has_list_ = true;
    if (!mapping->can_be_read || mapping->range.begin >= mapping->range.end) continue;
    const bool continues =
        !ranges_.empty() && ranges_.back().end == mapping->range.begin &&
        (is_anonymous(file) || is_anonymous(mapping->file) || file == mapping->file);
    if (continues)
      ranges_.back().end = mapping->range.end;
    else
      ranges_.push_back(mapping->range);
    file = mapping->file;
  }
  // A stream swallows the std::bad_alloc of its line; the rest of the list would be missing.
  if (list.bad()) throw std::bad_alloc();
}

AddressRange ReadableMemory::around(std::uint64_t address, std::uint64_t end) {
  if (latest_.begin <= address && address < latest_.end && (has_list_ || end <= latest_.end))
    return latest_;
  if (!has_list_) return latest_ = by_trying(address, end);
  const auto after = std::ranges::upper_bound(ranges_, address, {}, &AddressRange::begin);
  if (after == ranges_.begin() || address >= (after - 1)->end) return {address, address};
  return latest_ = *(after - 1);
}

AddressRange ReadableMemory::by_trying(std::uint64_t address, std::uint64_t end) const {
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  AddressRange range{address, address};
  do {
    char byte = 0;
    const iovec here{&byte, 1};
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an address that may be none
    const iovec there{reinterpret_cast<void*>(static_cast<std::uintptr_t>(range.end)), 1};
    // No process has the last page of all: the sum below never wraps around.
    if (process_vm_readv(getpid(), &here, 1, &there, 1, 0) != 1) {
      if (errno == EFAULT) break;
      throw Failure(Errc::invalid_argument,
                    text("memory cannot be checked: neither /proc/self/maps nor process_vm_readv "
                         "is there (",
                         std::system_category().message(errno), ')'));
    }
    range.end = range.end / page * page + page;
  } while (range.end < end);
  return range;
}

}  // namespace multibuffer
