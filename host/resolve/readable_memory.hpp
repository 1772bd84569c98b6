#pragma once

#include "host/support/address.hpp"

#include <cstdint>
#include <vector>

namespace multibuffer {

/// The memory that this process can read, as the system says. Mappings that touch are one range,
/// unless they are of different files. What is mapped or unmapped later is not noticed, and a page
/// of a mapped file that was cut counts as one that can be read.
class ReadableMemory {
 public:
  /// Reads the list of mappings in the file `maps`, of Linux's /proc. Where there is no such file,
  /// pages are tried one by one (process_vm_readv), which takes about a microsecond for each.
  explicit ReadableMemory(const char* maps = "/proc/self/maps");

  /// Returns a range that `address` lies in and that can be read: all of it, or at least as much of
  /// it as lies between `address` and `end`. Returns an empty range if `address` cannot be read.
  /// Throws `invalid_argument` where the system has neither way to tell.
  AddressRange around(std::uint64_t address, std::uint64_t end);
  /// Whether the bytes [begin, end) lie in one range.
  bool holds(std::uint64_t begin, std::uint64_t end) { return around(begin, end).end >= end; }

 private:
  AddressRange by_trying(std::uint64_t address, std::uint64_t end) const;

  bool has_list_ = false;
  std::vector<AddressRange> ranges_;  ///< ascending, none of them empty
  AddressRange latest_;               ///< most addresses lie where the one before did
};

}  // namespace multibuffer
