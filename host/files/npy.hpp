#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/watch.hpp>

#include "host/files/mapped_file.hpp"
#include "host/files/npy_type.hpp"
#include "host/files/stored_file.hpp"
#include "host/files/whole_file.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace multibuffer::files {

/// The header of a .npy, read.
struct NpyHeader {
  NpyType type;
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  ///< bytes
  std::int64_t nbytes = 0;
  std::int64_t data_offset = 0;  ///< of the first element, in bytes from the beginning
};

/// Copies bytes from `offset` on.
using ReadBytes = std::function<void(std::int64_t offset, std::span<std::byte> to)>;

/// Reads the header of a .npy of `bytes` bytes, versions 1.0 to 3.0, by `read`. Bytes after the
/// array are ignored. Throws `file_invalid` with `name` and what is wrong, and what `read` throws.
///
/// Source: numpy.lib.format ("A Simple File Format for NumPy Arrays").
NpyHeader read_npy_header(const std::string& name, std::int64_t bytes, const ReadBytes& read);

/// The array of a .npy that begins at byte `offset` of a file.
StoredArray stored_array(const NpyHeader& header, std::int64_t offset);

/// A mapped .npy file.
class NpyFile {
 public:
  /// Throws `file_unreadable`, or what `read_npy_header` throws.
  explicit NpyFile(const std::string& path);

  const NpyType& type() const noexcept { return header_.type; }
  bool fortran_order() const noexcept { return header_.fortran_order; }
  const std::vector<std::int64_t>& shape() const noexcept { return header_.shape; }
  const MappedFile& file() const noexcept { return file_; }

  /// Returns the elements in the mapping as a raw export, which borrows from this object. An export
  /// cannot have elements of no bytes (`type().itemsize` 0); these all share one byte.
  BufferExport raw_export() const;
  ArrayView view() const { return ArrayView::from_export(raw_export()); }

 private:
  MappedFile file_;
  NpyHeader header_;
};

/// Writes an array of the type `descr`, a Python literal as in `NpyType`, in the lowest version
/// that can express it: 3.0 where field names need it. `bytes` are its elements in C order or, with
/// `fortran_order`, in Fortran order. The caller commits the file. Throws `file_unwritable`, or
/// `cancelled`.
void write_npy(WholeFile& file, const std::string& descr, std::span<const std::int64_t> shape,
               bool fortran_order, std::span<const std::byte> bytes, const Watch& watch = {});

}  // namespace multibuffer::files
