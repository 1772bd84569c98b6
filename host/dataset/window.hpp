#pragma once

#include "host/dataset/source.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace multibuffer {

/// The leaves of a part of a result, read from their files into memory of their own.
class Window {
 public:
  /// Leaf i lies at `offsets[i]` of `files[i]`; `files` is empty where all lie in file 0. Its
  /// elements lie in the bytes from `begin` to `end` beyond its offset. Leaves that are neighbours
  /// in a file, in any order, are read at once, and bytes of several leaves are read once. Throws
  /// `file_changed`, naming the file, where it is cut or written to, and `file_unreadable`.
  Window(const DatasetSource& source, std::span<const std::int64_t> offsets,
         std::span<const std::uint32_t> files, std::int64_t begin, std::int64_t end);

  /// The address of index 0 of each leaf, in the order given.
  const std::vector<std::int64_t>& addresses() const noexcept { return addresses_; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::vector<std::int64_t> addresses_;
};

}  // namespace multibuffer
