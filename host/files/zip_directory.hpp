#pragma once

#include "host/files/input_file.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace multibuffer::files {

/// A member of a ZIP archive, as the archive's directory describes it.
struct ZipMember {
  std::string name;
  std::uint16_t flags = 0;
  std::uint16_t method = 0;  ///< of compression; 0: none
  std::uint64_t stored_bytes = 0;
  std::uint64_t bytes = 0;   ///< when it is unpacked
  std::uint64_t header = 0;  ///< the offset of its own header in the file

  bool is_encrypted() const noexcept { return (flags & 1) != 0; }
};

/// Reads the directory of a ZIP archive, ZIP64 included, in its order. The archive may begin behind
/// other bytes. Throws `file_invalid` unless the directory is whole; its members may still say
/// anything. Takes time and memory in proportion to the directory.
///
/// (The library of Debian 12, minizip 1.1, does not read the sizes and offsets of ZIP64, without
/// which no archive is larger than 4 GiB.)
///
/// Source: APPNOTE.TXT, "ZIP File Format Specification", 6.3.10.
std::vector<ZipMember> read_zip_directory(const InputFile& file);

/// Returns the offset of the first byte of a member that is stored as it is. Throws `file_invalid`,
/// calling it `name`, unless there is a header of this name, and all bytes behind it lie in the
/// file. The checksum is not compared, since it would take reading them all.
std::int64_t begin_of_stored(const InputFile& file, const ZipMember& member,
                             const std::string& name);

}  // namespace multibuffer::files
