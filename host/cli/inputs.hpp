#pragma once

#include <multibuffer/array_view.hpp>
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

/// How several inputs become one array.
enum class Join {
  stack,        ///< along a new axis 0
  concatenate,  ///< along their axis 0
};

/// The files of a command line, open, and the one array that they make. Nothing is read of a .npy
/// but its header; a PNG is decoded.
class Inputs {
 public:
  /// Throws what the files throw, and `invalid_argument` for files that do not go together, naming
  /// the first that does not and what differs.
  Inputs(std::span<const std::string> paths, Join join, const Watch& watch = {});

  const ArrayView& view() const noexcept { return *view_; }
  /// The same array as a raw export, for the reference. It borrows from this object.
  BufferExport raw_export() const;
  /// The element type as .npy spells it.
  const std::string& descr() const { return inputs_.front().descr; }
  /// Whether the elements have no bytes in files. In memory each is one.
  bool has_no_bytes() const { return inputs_.front().has_no_bytes; }
  /// Throws `file_unreadable` if a file was changed since it was opened.
  void check_unchanged() const;
  /// What the inputs are, in a few words: "3 files stacked".
  std::string description() const;
  /// Bytes decoded, rather than mapped.
  std::int64_t decoded_bytes() const;
  /// Starts to read mapped files ahead: for when all of them will be read.
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
  // Of pictures that are joined: the pointers to the rows of all, and the first one's export of
  // as many rows.
  std::vector<const void*> rows_;
  std::vector<std::int64_t> rows_shape_;
  std::optional<ArrayView> view_;
};

}  // namespace multibuffer::cli
