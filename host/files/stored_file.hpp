#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// What a reader of a file format finds: where the elements of its arrays lie. Mapping the file,
// reading windows of it, noticing that it has changed, and joining many files are not a reader's
// affair; host/dataset does them, once for all formats.

namespace multibuffer::files {

/// One array as it lies in a file: pieces of one layout on a regular grid.
///
/// The element at (i0, i1, ...) lies in the piece (i0 / piece[0], i1 / piece[1], ...), at the byte
/// `offsets[that piece]` + sum(i % piece * strides). A piece that reaches over the end of the array
/// holds no more elements than the array does.
struct StoredArray {
  std::string descr;          ///< the element type as a .npy spells it: '<f4'
  std::string format;         ///< the same as PEP 3118 spells it: "<f"
  std::int64_t itemsize = 0;  ///< bytes
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> piece;    ///< the extents of a piece, each at least 1
  std::vector<std::int64_t> strides;  ///< bytes, within a piece
  std::vector<std::int64_t> offsets;  ///< bytes from the file's beginning, the pieces in C order
};

/// An array in one piece that lies in C order at `offset`. Throws `size_overflow`.
StoredArray in_one_piece(std::string descr, std::string format, std::int64_t itemsize,
                         std::vector<std::int64_t> shape, std::int64_t offset);

/// Throws `file_invalid`, naming the array, unless all elements lie inside of a file of `bytes`
/// bytes; and `size_overflow`. What a reader is told by a file is checked here, once.
void check_inside(const StoredArray& array, std::int64_t bytes, const std::string& name);

/// Throws `file_invalid` for a name, in a format whose files are one array.
void require_no_name(const std::string& path, const std::string& name);

/// An open file with arrays in it.
class StoredFile {
 public:
  virtual ~StoredFile() = default;
  /// The names of the arrays, in the order of the file; one empty name for a format whose files are
  /// one array.
  virtual std::vector<std::string> names() const = 0;
  /// Throws `file_invalid`, naming the array, for one that is not there, and for one whose elements
  /// do not lie in the file as they are (compressed, in another file), with the way out.
  virtual StoredArray array(const std::string& name) const = 0;
  /// For formats whose elements must be decoded first: the bytes that offsets count in, and how
  /// many these are, which is known before. 0 for formats whose offsets lead into the file.
  virtual std::shared_ptr<const std::byte[]> decoded() const { return nullptr; }
  virtual std::int64_t decoded_bytes() const { return 0; }
};

/// A file format.
struct Reader {
  std::string_view name;     ///< "HDF5"
  std::string_view ending;   ///< ".h5": files of this name are of this format
  std::string_view package;  ///< what a build without it lacks, on Debian; empty: nothing
  /// Tells a file by its first bytes; may be null.
  bool (*recognises)(std::string_view first_bytes);
  /// Throws `file_unreadable` or `file_invalid`. Null in a build without the format's library.
  std::unique_ptr<StoredFile> (*open)(const std::string& path);
  /// How to get it where a build leaves it out, in words; empty: build it where `package` is.
  std::string_view remedy = {};
};

/// How to get a format that this build lacks, in words.
std::string remedy_of(const Reader& reader);

/// All formats, those that this build lacks included.
std::span<const Reader* const> readers();

/// The format that the first bytes of a file are of; null if they say nothing.
const Reader* recognised(const std::string& path);

/// Opens a file by its name's ending or, where that says nothing, by its first bytes. Throws
/// `file_invalid` for a format that is not known, and for one that this build lacks.
std::unique_ptr<StoredFile> open_stored_file(const std::string& path);

extern const Reader npy_reader;
extern const Reader npz_reader;
extern const Reader png_reader;
extern const Reader hdf5_reader;
extern const Reader safetensors_reader;

}  // namespace multibuffer::files
