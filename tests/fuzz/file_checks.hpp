#pragma once

#include "tests/fuzz/targets.hpp"

#include <string>

namespace multibuffer::files {
struct Reader;
}

namespace multibuffer::fuzz {

/// Bytes as a file that has a path for as long as this object lives. It is in memory, since a
/// fuzzer makes some ten thousand a second.
class BytesAsFile {
 public:
  explicit BytesAsFile(Bytes bytes);
  ~BytesAsFile();
  BytesAsFile(const BytesAsFile&) = delete;
  BytesAsFile& operator=(const BytesAsFile&) = delete;
  const std::string& path() const noexcept { return path_; }

 private:
  int descriptor_;
  std::string path_;
};

/// Reads every array that a file says it has: all elements must lie in the file or in what is
/// decoded, as an address computed one by one says, and a dataset of each must read what its own
/// reference reads.
void check_reader(const files::Reader& reader, Bytes bytes);

}  // namespace multibuffer::fuzz
