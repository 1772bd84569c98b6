#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/watch.hpp>

#include "host/files/mapped_file.hpp"
#include "host/files/npy_type.hpp"
#include "host/files/whole_file.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace multibuffer::files {

/// A mapped .npy file, versions 1.0 to 3.0. Bytes after the array are ignored.
///
/// Source: numpy.lib.format ("A Simple File Format for NumPy Arrays").
class NpyFile {
 public:
  /// Throws `file_unreadable`, or `file_invalid` with what is wrong with the file.
  explicit NpyFile(const std::string& path);

  const NpyType& type() const noexcept { return type_; }
  bool fortran_order() const noexcept { return fortran_order_; }
  const std::vector<std::int64_t>& shape() const noexcept { return shape_; }
  const MappedFile& file() const noexcept { return file_; }

  /// Returns the elements in the mapping as a raw export, which borrows from this object. An export
  /// cannot have elements of no bytes (`type().itemsize` 0); these all share one byte.
  BufferExport raw_export() const;
  ArrayView view() const { return ArrayView::from_export(raw_export()); }

 private:
  void read_header();
  void read_entries(std::string_view header, Python python);
  void check_size() const;
  void set_strides();
  [[noreturn]] void fail(const std::string& what) const;

  MappedFile file_;
  NpyType type_;
  bool fortran_order_ = false;
  std::vector<std::int64_t> shape_;
  std::vector<std::int64_t> strides_;
  std::int64_t nbytes_ = 0;
  std::size_t data_offset_ = 0;
};

/// Writes an array of the type `descr`, a Python literal as in `NpyType`, in the lowest version
/// that can express it: 3.0 where field names need it. `bytes` are its elements in C order or, with
/// `fortran_order`, in Fortran order. The caller commits the file. Throws `file_unwritable`, or
/// `cancelled`.
void write_npy(WholeFile& file, const std::string& descr, std::span<const std::int64_t> shape,
               bool fortran_order, std::span<const std::byte> bytes, const Watch& watch = {});

}  // namespace multibuffer::files
