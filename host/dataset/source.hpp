#pragma once

#include <multibuffer/dataset.hpp>

#include "host/dataset/grid.hpp"
#include "host/files/input_file.hpp"
#include "host/files/mapped_file.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace multibuffer {

/// A file that elements lie in, as it was when the dataset was opened.
struct DatasetFile {
  std::string path;  ///< absolute; empty for parts in memory, whose offsets are addresses
  files::FileStamp stamp;
  /// Where offsets count in what a reader decodes it to: the bytes of that; else 0.
  std::int64_t decoded_bytes = 0;
};

/// The state that all views of a dataset share: its description, and what this process has mapped.
struct DatasetSource {
  DatasetSource(Grid grid, std::vector<DatasetFile> files, std::int64_t window,
                std::shared_ptr<const void> owner = nullptr);
  DatasetSource(const DatasetSource&) = delete;
  DatasetSource& operator=(const DatasetSource&) = delete;

  /// A view of all elements.
  static Dataset view_of(std::shared_ptr<const DatasetSource> source);

  const Grid grid;
  const std::vector<DatasetFile> files;
  const std::int64_t window;
  const std::shared_ptr<const void> owner;  ///< of parts in memory

  /// Returns the bytes that offsets in a file count from, mapped or decoded when it is first asked
  /// for; stays valid as long as this. Throws `file_changed`, `file_unreadable`.
  const std::byte* contents(std::uint32_t file) const;
  /// Throws `file_changed`, naming the file, unless a file is as it was.
  void check_unchanged(std::uint32_t file) const;
  /// Opens a file that is as it was.
  files::InputFile open(std::uint32_t file) const;

 private:
  struct Contents {
    std::unique_ptr<files::MappedFile> mapped;
    std::shared_ptr<const std::byte[]> decoded;
  };
  /// One for each file, once one is needed. ProcessLock::contents guards it.
  mutable std::vector<Contents> contents_;
};

}  // namespace multibuffer
