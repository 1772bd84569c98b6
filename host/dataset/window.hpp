#pragma once

#include "host/dataset/source.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace multibuffer {

/// The leaves of a part of a result, read from their files into memory of their own, or right to
/// where they belong. A window is read again for the next part, since new memory costs more than
/// the copy: the kernel clears it.
class Window {
 public:
  /// Leaf i lies at `offsets[i]` of `files[i]`; `files` is empty where all lie in file 0. Its
  /// elements lie in the bytes from `begin` to `end` beyond its offset. Leaves that are neighbours
  /// in a file, in any order, are read at once, and bytes of several leaves are read once; what
  /// lies between leaves is not kept. There are at most 2^20 leaves. Throws `file_changed`, naming
  /// the file, where it is cut or written to, and `file_unreadable`.
  void read(const DatasetSource& source, std::span<const std::int64_t> offsets,
            std::span<const std::uint32_t> files, std::int64_t begin, std::int64_t end);

  /// Reads leaves of `bytes` from their offset on right to where they belong: leaf i to `to` +
  /// `places[i]`. Leaves that lie there as in their file are read at once; others that are near to
  /// each other in their file go by way of a small memory. Throws as `read` does; files that have
  /// changed before the call are an error before anything is written.
  void read_to(const DatasetSource& source, std::span<const std::int64_t> offsets,
               std::span<const std::uint32_t> files, std::int64_t bytes, std::byte* to,
               std::span<const std::int64_t> places);

  /// The address of index 0 of each leaf, in the order given to `read`. It is valid until the next
  /// read().
  const std::vector<std::int64_t>& addresses() const noexcept { return addresses_; }

 private:
  void reserve(std::int64_t bytes);
  std::byte* staged();

  std::unique_ptr<std::byte[]> bytes_;
  std::int64_t capacity_ = 0;
  std::unique_ptr<std::byte[]> staged_;
  std::vector<std::int64_t> addresses_;
};

}  // namespace multibuffer
