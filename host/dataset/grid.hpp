#pragma once

#include <multibuffer/dataset.hpp>
#include <multibuffer/format.hpp>

#include "host/files/stored_file.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace multibuffer {

/// One axis of a grid of pieces.
struct GridAxis {
  std::int64_t extent = 0;
  std::int64_t piece = 1;  ///< the extent of a piece, where all but the last are alike
  /// Else, the first index of each piece, and `extent` behind them.
  std::vector<std::int64_t> starts = {};
  std::int64_t stride = 0;  ///< bytes, within a piece

  struct Place {
    std::int64_t piece = 0;
    std::int64_t within = 0;
  };
  std::int64_t pieces() const noexcept;
  Place locate(std::int64_t index) const noexcept;
  /// The index behind the last of a piece.
  std::int64_t end_of(std::int64_t piece) const noexcept;
};

/// Where each element of an array in files lies: pieces of one layout, and the file and the offset
/// of each, in C order.
struct Grid {
  std::string descr;
  Format format;
  std::vector<GridAxis> axes;
  std::vector<std::int64_t> offsets;
  std::vector<std::uint32_t> files;  ///< of `offsets`; empty: all are in file 0

  std::vector<std::int64_t> shape() const;
  std::uint32_t file_of(std::int64_t piece) const {
    return files.empty() ? 0 : files[static_cast<std::size_t>(piece)];
  }
  /// Calls `visit(file, begin, end)` with the bytes that the elements of each piece lie in, until
  /// it returns false. Returns false then, and for bytes beyond 64 bits.
  using VisitPiece = std::function<bool(std::uint32_t file, std::int64_t begin, std::int64_t end)>;
  bool every_piece(const VisitPiece& visit) const;
  /// Throws `invalid_argument` unless sizes, pieces and files fit together: for what has been
  /// deserialized.
  void check(std::size_t file_count) const;
};

/// An array that a reader has found, to be joined with others.
struct Part {
  files::StoredArray array;
  std::uint32_t file = 0;
  std::string name;  ///< for messages
};

/// Joins parts along their axis 0. Throw `invalid_argument`, naming the first part that does not
/// fit and what differs.
Grid concatenated(std::vector<Part> parts);
/// Stacks parts, which are in C order of `extents`, along as many new axes in front.
Grid stacked(std::vector<Part> parts, std::span<const std::int64_t> extents);

}  // namespace multibuffer
