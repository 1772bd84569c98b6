#include "host/files/npy.hpp"

#include <multibuffer/error.hpp>

#include "host/files/python_literal.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

namespace multibuffer::files {
namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t preamble = magic.size() + 2;  // then two bytes of version

// The largest header that is read: a hundred thousand fields. Parsed, it takes fifty times as much
// memory.
constexpr std::size_t longest_header = std::size_t{4} << 20;

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

// Headers are Latin-1 up to version 2.0.
std::string utf8_of_latin1(std::string_view latin1) {
  std::string result;
  result.reserve(latin1.size());
  for (const char c : latin1) append_utf8(result, static_cast<unsigned char>(c));
  return result;
}

// Decodes UTF-8, which has one encoding for each character and none for surrogates. Returns nothing
// if the bytes are not UTF-8.
std::optional<std::u32string> characters_of_utf8(std::string_view utf8) {
  std::u32string result;
  for (std::size_t i = 0; i < utf8.size();) {
    const auto first = static_cast<unsigned char>(utf8[i]);
    const int more = first < 0x80 ? 0 : first < 0xc2 ? -1 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    if (more < 0 || first > 0xf4 || utf8.size() - i <= static_cast<std::size_t>(more)) return {};
    char32_t code = more == 0 ? first : first & (0x3fU >> more);
    for (int k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(utf8[i + static_cast<std::size_t>(k)]);
      if ((next & 0xc0) != 0x80) return {};
      code = code << 6 | (next & 0x3f);
    }
    const bool overlong = (more == 2 && code < 0x800) || (more == 3 && code < 0x10000);
    if (overlong || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff) return {};
    result += code;
    i += static_cast<std::size_t>(more) + 1;
  }
  return result;
}

// Encodes text as Latin-1; returns nothing if a character is outside of it.
std::optional<std::string> latin1_of_utf8(std::string_view utf8) {
  const std::optional<std::u32string> characters = characters_of_utf8(utf8);
  if (!characters) return {};
  std::string result;
  for (const char32_t c : *characters) {
    if (c > 0xff) return {};
    result += static_cast<char>(c);
  }
  return result;
}

// The three entries of a header. There may be no others.
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
    if (!entry) throw LiteralError(text("an unknown key ", shortened(quote(key))));
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

// An extent of 0 makes the size 0. The product of the other extents must fit all the same, because
// strides are made from it.
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

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw Failure(Errc::file_invalid, text(name, ": ", what));
}

void set_strides(NpyHeader& header) {
  header.strides.resize(header.shape.size());
  std::int64_t stride = header.type.itemsize;
  for (std::size_t i = 0; i < header.shape.size(); ++i) {
    const std::size_t axis = header.fortran_order ? i : header.shape.size() - 1 - i;
    header.strides[axis] = stride;
    stride *= std::max<std::int64_t>(header.shape[axis], 1);
  }
}

void read_entries(const std::string& name, NpyHeader& header, std::string_view words,
                  Python python) {
  try {
    const Literal literal = parse_literal(words, python);
    const Entries entries = entries_of(literal);
    if (entries.fortran_order->kind != Literal::Kind::boolean) {
      throw LiteralError("a 'fortran_order' that is neither True nor False");
    }
    header.fortran_order = entries.fortran_order->boolean;
    header.shape = shape_of(*entries.shape);
    header.type = parse_npy_type(*entries.descr);
    header.nbytes = checked_size(header.shape, header.type.itemsize);
  } catch (const LiteralError& error) {
    fail(name, text("a header with ", error.what()));
  } catch (const NpyTypeError& error) {
    fail(name, error.what());
  }
}

}  // namespace

NpyHeader read_npy_header(const std::string& name, std::int64_t bytes, const ReadBytes& read) {
  if (bytes == 0) fail(name, "is empty");
  // Room for the preamble, the length of the header, and most headers.
  std::vector<std::byte> start(static_cast<std::size_t>(std::min<std::int64_t>(bytes, 512)));
  read(0, start);
  if (characters(start).starts_with("PK\x03\x04")) {
    fail(name, "is a ZIP archive, as .npz files are; name an array in it (a.npz::x)");
  }
  const std::size_t known = std::min(start.size(), magic.size());
  if (characters(start).substr(0, known) != magic.substr(0, known)) {
    fail(name, "is no .npy file (it does not begin with \\x93NUMPY)");
  }
  const std::string cut = text("cut in its header, after ", bytes, " bytes");
  if (start.size() < preamble + 2) fail(name, cut);

  const int major = std::to_integer<int>(start[6]);
  const int minor = std::to_integer<int>(start[7]);
  if (major < 1 || major > 3 || minor != 0) {
    fail(name, text("unknown .npy version ", major, ".", minor, "; 1.0, 2.0 and 3.0 can be read"));
  }
  const std::size_t length_bytes = major == 1 ? 2 : 4;
  if (start.size() < preamble + length_bytes) fail(name, cut);
  const std::size_t length = little_endian(std::span(start).subspan(preamble, length_bytes));
  const std::size_t end = preamble + length_bytes + length;
  if (static_cast<std::size_t>(bytes) < end) {
    fail(name, text("cut in its header: it has ", bytes, " bytes, the header alone says ", end));
  }
  if (length > longest_header) {
    fail(name, text("a header of ", length, " bytes, of which ", longest_header, " are the most"));
  }
  if (const std::size_t there = start.size(); there < end) {
    start.resize(end);
    read(static_cast<std::int64_t>(there), std::span(start).subspan(there));
  }
  const std::string_view words =
      characters(std::span(start).subspan(preamble + length_bytes, length));
  NpyHeader header;
  header.data_offset = static_cast<std::int64_t>(end);
  if (major < 3) {
    read_entries(name, header, utf8_of_latin1(words), Python::python2);
  } else {
    if (!characters_of_utf8(words)) {
      fail(name, "a header that is not UTF-8, as it is in version 3.0");
    }
    read_entries(name, header, words, Python::python3);
  }
  if (const std::int64_t there = bytes - header.data_offset; there < header.nbytes) {
    fail(name,
         text("cut: its shape ", tuple_text(header.shape), " of ", shortened(header.type.descr),
              " needs ", header.nbytes, " bytes after the header, and there are ", there));
  }
  set_strides(header);
  return header;
}

NpyFile::NpyFile(const std::string& path)
    : file_(path),
      header_(read_npy_header(
          path, std::ssize(file_.bytes()), [&](std::int64_t offset, std::span<std::byte> to) {
            std::ranges::copy(file_.bytes().subspan(static_cast<std::size_t>(offset), to.size()),
                              to.begin());
          })) {}

BufferExport NpyFile::raw_export() const {
  static constexpr std::byte no_bytes{};
  const bool none = type().itemsize == 0;
  return {.buf = none ? &no_bytes : file_.bytes().data() + header_.data_offset,
          .len = none ? std::optional<std::int64_t>() : header_.nbytes,
          .itemsize = none ? 1 : type().itemsize,
          .readonly = true,
          .ndim = static_cast<int>(shape().size()),
          .format = none ? "1s" : type().format.c_str(),
          .shape = shape().data(),
          .strides = header_.strides.data(),
          .suboffsets = nullptr};
}

void write_npy(WholeFile& file, const std::string& descr, std::span<const std::int64_t> shape,
               bool fortran_order, std::span<const std::byte> bytes, const Watch& watch) {
  std::string header =
      text("{'descr': ", descr, ", 'fortran_order': ", fortran_order ? "True" : "False",
           ", 'shape': ", tuple_text(shape), ", }");
  char major = 1;
  if (std::optional<std::string> latin1 = latin1_of_utf8(header)) {
    header = std::move(*latin1);
  } else {
    major = 3;
  }
  // The data begins at a multiple of 64, as NumPy's does, for aligned vector loads.
  constexpr std::size_t alignment = 64;
  if (major == 1 && preamble + 2 + header.size() + alignment > 65535) major = 2;
  const std::size_t length_bytes = major == 1 ? 2 : 4;
  const std::size_t unpadded = preamble + length_bytes + header.size() + 1;
  header.append((alignment - unpadded % alignment) % alignment, ' ');
  header += '\n';

  std::string start(magic);
  start += {major, '\x00'};
  for (std::size_t i = 0; i < length_bytes; ++i) {
    start += static_cast<char>(header.size() >> (8 * i) & 0xff);
  }
  file.write(bytes_of(start + header));
  constexpr std::size_t piece = std::size_t{1} << 24;
  for (std::size_t done = 0; done < bytes.size(); done += piece) {
    if (watch.stop.stop_requested()) throw Failure(Errc::cancelled, text("writing ", file.path()));
    file.write(bytes.subspan(done, std::min(piece, bytes.size() - done)));
    if (watch.progress) {
      watch.progress(static_cast<std::int64_t>(std::min(done + piece, bytes.size())),
                     static_cast<std::int64_t>(bytes.size()));
    }
  }
}

}  // namespace multibuffer::files
