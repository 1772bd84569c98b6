#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/format.hpp>
#include <multibuffer/watch.hpp>

#include "host/files/whole_file.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace multibuffer::files {

/// A decoded PNG: an array of pointers to rows. Grey pictures have the axes (row, column), others
/// (row, column, channel). Elements are bytes or, in 16-bit pictures, 16-bit integers in native
/// order. libpng expands palettes to RGB, grey of fewer than 8 bits to 8, and transparent colours
/// to an alpha channel, and puts interlaced pictures together. Chunks that do not affect pixels
/// (texts, colour profiles) are not read.
class PngFile {
 public:
  /// Throws `file_unreadable`, `file_invalid` with libpng's reason, or `cancelled`.
  explicit PngFile(const std::string& path, const Watch& watch = {});
  ~PngFile();
  PngFile(PngFile&&) noexcept;
  PngFile& operator=(PngFile&&) = delete;

  /// Returns the rows as a raw export with suboffsets {0, -1, -1}, which borrows from this object.
  BufferExport raw_export() const;
  ArrayView view() const { return ArrayView::from_export(raw_export()); }

  /// Returns the element type as .npy spells it.
  const char* descr() const noexcept;
  std::int64_t nbytes() const noexcept;

 private:
  void read(std::span<const std::byte> file, const Watch& watch);

  struct Image;
  std::unique_ptr<Image> image_;
};

/// Throws `invalid_argument`, saying what a PNG can hold, unless it can hold an array of this shape
/// and format: one of unsigned integers of 8 or 16 bits, (rows, columns) or (rows, columns, 1 to 4
/// channels), none of them 0.
void check_fits_png(std::span<const std::int64_t> shape, const Format& format);

/// Encodes a C-ordered array that `check_fits_png` accepts. The caller commits the file. Throws
/// `file_unwritable` or `cancelled`.
void write_png(WholeFile& file, std::span<const std::int64_t> shape, const Format& format,
               std::span<const std::byte> bytes, const Watch& watch = {});

}  // namespace multibuffer::files
