#pragma once

#include "host/support/text.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace multibuffer::testing {

/// A new directory, gone with all that is in it at the end of the test.
class Scratch {
 public:
  Scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "multibuffer-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::runtime_error("no directory for temporary files");
    path_ = pattern;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string path() const { return path_.string(); }
  std::string operator/(std::string_view name) const { return (path_ / name).string(); }

  /// The names in it, sorted.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    return names;
  }

 private:
  std::filesystem::path path_;
};

inline void write_file(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A .npy file of version `major`.0, whatever `header` says, without padding.
inline std::string npy_bytes(std::string_view header, std::string_view data, char major = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += {major, '\0'};
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i) {
    bytes += static_cast<char>(header.size() >> (8 * i) & 0xff);
  }
  return bytes.append(header).append(data);
}

/// Makes the bytes of a .npy file from a type and a shape as Python writes them.
inline std::string npy_bytes_of(std::string_view descr, std::string_view shape,
                                std::string_view data, bool fortran_order = false) {
  return npy_bytes(text("{'descr': ", descr, ", 'fortran_order': ",
                        fortran_order ? "True" : "False", ", 'shape': ", shape, ", }\n"),
                   data);
}

/// Values as the bytes that they are in memory.
template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

inline std::span<const std::byte> as_bytes(std::string_view characters) {
  return std::as_bytes(std::span(characters));
}

}  // namespace multibuffer::testing
