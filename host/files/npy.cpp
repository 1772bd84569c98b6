#include "host/files/npy.hpp"

#include <multibuffer/error.hpp>

#include "host/files/python_literal.hpp"
#include "host/text.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace multibuffer::files {
namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t preamble = magic.size() + 2;  // then two bytes of version

std::size_t little_endian(std::span<const std::byte> bytes) {
  std::size_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | std::to_integer<std::size_t>(bytes[i]);
  }
  return value;
}

std::string_view characters(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::span<const std::byte> bytes_of(std::string_view characters) {
  return std::as_bytes(std::span(characters));
}

// The three entries that a header has, and no others.
struct Entries {
  const Literal* descr = nullptr;
  const Literal* fortran_order = nullptr;
  const Literal* shape = nullptr;
};

Entries entries_of(const Literal& header) {
  if (header.kind != Literal::Kind::dict) throw LiteralError("no dictionary");
  Entries entries;
  for (std::size_t i = 0; i < header.items.size(); i += 2) {
    const std::string& key = header.items[i].string;
    const Literal** const entry = key == "descr"           ? &entries.descr
                                  : key == "fortran_order" ? &entries.fortran_order
                                  : key == "shape"         ? &entries.shape
                                                           : nullptr;
    if (!entry) throw LiteralError(text("an unknown key ", quote(key)));
    if (*entry) throw LiteralError(text("the key ", quote(key), " twice"));
    *entry = &header.items[i + 1];
  }
  if (!entries.descr) throw LiteralError("no key 'descr'");
  if (!entries.fortran_order) throw LiteralError("no key 'fortran_order'");
  if (!entries.shape) throw LiteralError("no key 'shape'");
  return entries;
}

std::vector<std::int64_t> shape_of(const Literal& literal) {
  if (literal.kind != Literal::Kind::tuple) throw LiteralError("a 'shape' that is no tuple");
  std::vector<std::int64_t> shape;
  for (const Literal& extent : literal.items) {
    if (extent.kind != Literal::Kind::integer) throw LiteralError("a 'shape' not of integers");
    if (extent.integer < 0) throw LiteralError("a negative number in 'shape'");
    shape.push_back(extent.integer);
  }
  if (shape.size() > max_axes) {
    throw LiteralError(text(shape.size(), " axes, of which there can be ", max_axes));
  }
  return shape;
}

// An extent of 0 makes the size 0, whatever the others are; but their product is the strides', and
// has to fit all the same.
std::int64_t checked_size(std::span<const std::int64_t> shape, std::int64_t itemsize) {
  std::int64_t size = itemsize;
  for (const std::int64_t extent : shape) {
    if (__builtin_mul_overflow(size, std::max<std::int64_t>(extent, 1), &size)) {
      throw LiteralError(text("the shape ", tuple_text(shape), " of elements of ", itemsize,
                              " bytes, a size that does not fit in 64 bits"));
    }
  }
  return std::ranges::find(shape, 0) == shape.end() ? size : 0;
}

}  // namespace

NpyFile::NpyFile(const std::string& path) : file_(path) {
  read_header();
  check_size();
  set_strides();
}

void NpyFile::fail(const std::string& what) const {
  throw Error(Errc::file_invalid, text(file_.path(), ": ", what));
}

void NpyFile::read_header() {
  const std::span<const std::byte> bytes = file_.bytes();
  if (bytes.empty()) fail("is empty");
  if (characters(bytes).starts_with("PK\x03\x04")) {
    fail("is a ZIP archive, as .npz files are; unpack it and give the .npy files in it");
  }
  const std::size_t start = std::min(bytes.size(), magic.size());
  if (characters(bytes.first(start)) != magic.substr(0, start)) {
    fail("is no .npy file (it does not begin with \\x93NUMPY)");
  }
  if (bytes.size() < preamble + 2) fail(text("cut in its header, after ", bytes.size(), " bytes"));

  const int major = std::to_integer<int>(bytes[6]);
  const int minor = std::to_integer<int>(bytes[7]);
  if (major == 3 && minor == 0) {
    fail(
        ".npy version 3.0, which NumPy writes where field names need UTF-8, is not read; rename "
        "the fields (array.dtype.names = ...) to plain letters and save it again");
  }
  if ((major != 1 && major != 2) || minor != 0) {
    fail(text("unknown .npy version ", major, ".", minor, "; 1.0 and 2.0 can be read"));
  }
  const std::size_t length_bytes = major == 1 ? 2 : 4;
  if (bytes.size() < preamble + length_bytes) {
    fail(text("cut in its header, after ", bytes.size(), " bytes"));
  }
  const std::size_t length = little_endian(bytes.subspan(preamble, length_bytes));
  data_offset_ = preamble + length_bytes + length;
  if (bytes.size() < data_offset_) {
    fail(text("cut in its header: it has ", bytes.size(), " bytes, the header alone says ",
              data_offset_));
  }
  try {
    const Literal header =
        parse_literal(characters(bytes.subspan(preamble + length_bytes, length)));
    const Entries entries = entries_of(header);
    if (entries.fortran_order->kind != Literal::Kind::boolean) {
      throw LiteralError("a 'fortran_order' that is neither True nor False");
    }
    fortran_order_ = entries.fortran_order->boolean;
    shape_ = shape_of(*entries.shape);
    type_ = parse_npy_type(*entries.descr);
    nbytes_ = checked_size(shape_, type_.itemsize);
  } catch (const LiteralError& error) {
    fail(text("a header with ", error.what()));
  } catch (const NpyTypeError& error) {
    fail(error.what());
  }
}

void NpyFile::check_size() const {
  const auto there = static_cast<std::int64_t>(file_.bytes().size() - data_offset_);
  if (there == nbytes_) return;
  const std::string sizes = text("its shape ", tuple_text(shape_), " of ", type_.descr, " needs ",
                                 nbytes_, " bytes after the header, and there are ", there);
  if (there < nbytes_) fail(text("cut: ", sizes));
  // Of several arrays saved into one file, taking the first without a word would be a wrong answer.
  fail(text("longer than its header says: ", sizes, "; a file may hold only one array"));
}

void NpyFile::set_strides() {
  strides_.resize(shape_.size());
  std::int64_t stride = type_.itemsize;
  for (std::size_t i = 0; i < shape_.size(); ++i) {
    const std::size_t axis = fortran_order_ ? i : shape_.size() - 1 - i;
    strides_[axis] = stride;
    stride *= std::max<std::int64_t>(shape_[axis], 1);
  }
}

BufferExport NpyFile::raw_export() const {
  return {.buf = file_.bytes().data() + data_offset_,
          .len = nbytes_,
          .itemsize = type_.itemsize,
          .readonly = true,
          .ndim = static_cast<int>(shape_.size()),
          .format = type_.format.c_str(),
          .shape = shape_.data(),
          .strides = strides_.data(),
          .suboffsets = nullptr};
}

void write_npy(WholeFile& file, const std::string& descr, std::span<const std::int64_t> shape,
               bool fortran_order, std::span<const std::byte> bytes, const Watch& watch) {
  std::string header =
      text("{'descr': ", descr, ", 'fortran_order': ", fortran_order ? "True" : "False",
           ", 'shape': ", tuple_text(shape), ", }");
  // The data begins at a multiple of 64, as NumPy has it: vector loads like that.
  constexpr std::size_t alignment = 64;
  std::size_t length_bytes = 2;
  if (preamble + length_bytes + header.size() + alignment > 65535) length_bytes = 4;
  const std::size_t unpadded = preamble + length_bytes + header.size() + 1;
  header.append((alignment - unpadded % alignment) % alignment, ' ');
  header += '\n';

  std::string start(magic);
  start += {length_bytes == 2 ? '\x01' : '\x02', '\x00'};
  for (std::size_t i = 0; i < length_bytes; ++i) {
    start += static_cast<char>(header.size() >> (8 * i) & 0xff);
  }
  file.write(bytes_of(start + header));
  constexpr std::size_t piece = std::size_t{1} << 24;
  for (std::size_t done = 0; done < bytes.size(); done += piece) {
    if (watch.stop.stop_requested()) throw Error(Errc::cancelled, text("writing ", file.path()));
    file.write(bytes.subspan(done, std::min(piece, bytes.size() - done)));
    if (watch.progress) {
      watch.progress(static_cast<std::int64_t>(std::min(done + piece, bytes.size())),
                     static_cast<std::int64_t>(bytes.size()));
    }
  }
}

}  // namespace multibuffer::files
