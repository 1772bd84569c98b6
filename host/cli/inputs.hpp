#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/dataset.hpp>
#include <multibuffer/stack.hpp>
#include <multibuffer/watch.hpp>

#include "host/files/npy.hpp"
#include "host/files/png.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace multibuffer::cli {

/// The open files of a command line, and the array that they make. Only the header of a .npy is
/// read; a PNG is decoded.
class Inputs {
 public:
  /// Throws what the files throw, and `invalid_argument` for files that do not fit together, naming
  /// the first that does not and what differs.
  Inputs(std::span<const std::string> paths, Join join, const Watch& watch = {});

  const ArrayView& view() const noexcept { return *view_; }
  /// Returns the array as a raw export, for the reference. The export borrows from this object.
  BufferExport raw_export() const;
  /// Returns the element type as .npy spells it.
  const std::string& descr() const { return inputs_.front().descr; }
  /// Returns true if elements have no bytes in files; in memory each has one.
  bool has_no_bytes() const { return inputs_.front().has_no_bytes; }
  /// Throws `file_changed` if a file was changed since it was opened.
  void check_unchanged() const;
  /// Describes the inputs in a few words: "3 files stacked".
  std::string description() const;
  /// Returns the number of bytes that were decoded, rather than mapped.
  std::int64_t decoded_bytes() const;
  /// Starts to read mapped files ahead, for callers that will read all of them.
  void read_ahead() const;

 private:
  struct Input {
    std::string path;
    std::variant<files::NpyFile, files::PngFile> file;
    std::string descr;
    ArrayView view;
    bool has_no_bytes = false;
  };
  static Input open(const std::string& path, const Watch& watch);
  static Input open_any(const std::string& path, const Watch& watch);
  void join();
  void join_rows();
  void check_alike() const;
  std::string difference(const Input& first, const Input& other) const;

  Join join_;
  std::vector<Input> inputs_;
  std::optional<Stack> stack_;
  // For pictures that are joined: pointers to the rows of all, and the shape of the joined picture.
  std::vector<const void*> rows_;
  std::vector<std::int64_t> rows_shape_;
  std::optional<ArrayView> view_;
};

}  // namespace multibuffer::cli
