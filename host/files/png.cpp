#include "host/files/png.hpp"

#include <multibuffer/error.hpp>
#include <multibuffer/stages/large_vector.hpp>

#include "host/files/mapped_file.hpp"
#include "host/support/native_order.hpp"
#include "host/support/text.hpp"

#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <stop_token>
#include <string_view>
#include <vector>

// libpng reports errors by longjmp, which must not jump over anything that has a destructor. So the
// functions that call setjmp, and the callbacks, own nothing: everything that needs cleaning up
// belongs to objects that they are given, which live in frames further up.
namespace multibuffer::files {
namespace {

constexpr png_uint_32 largest_side = 0x7fffffff;  // the format's own limit

// The largest decoded row. In places libpng multiplies pixels by bytes in 32 bits.
constexpr std::int64_t most_row_bytes = std::int64_t{1} << 30;

using Bytes = std::span<const std::byte>;

// Keeps libpng's messages.
struct Message {
  std::array<char, 200> error{};
  std::array<char, 200> warning{};  // the last one
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto& kept = *static_cast<Message*>(png_get_error_ptr(png));
  std::snprintf(kept.error.data(), kept.error.size(), "%s", message);
  png_longjmp(png, 1);
}

void on_warning(png_structp png, png_const_charp message) {
  auto& kept = *static_cast<Message*>(png_get_error_ptr(png));
  std::snprintf(kept.warning.data(), kept.warning.size(), "%s", message);
}

// Says why a file is no PNG.
class Broken : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::uint32_t big_endian(Bytes bytes) {
  std::uint32_t value = 0;
  for (const std::byte byte : bytes) value = value << 8 | std::to_integer<std::uint32_t>(byte);
  return value;
}

// The fields of the header, which libpng checks.
struct Header {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t bits = 0;
  std::uint32_t color = 0;
  bool interlaced = false;

  explicit Header(Bytes data)
      : width(big_endian(data.first(4))),
        height(big_endian(data.subspan(4, 4))),
        bits(std::to_integer<std::uint32_t>(data[8])),
        color(std::to_integer<std::uint32_t>(data[9])),
        interlaced(data[12] != std::byte{0}) {}

  bool has_palette() const { return color == PNG_COLOR_TYPE_PALETTE; }
  bool has_alpha() const { return (color & PNG_COLOR_MASK_ALPHA) != 0; }
  std::uint32_t channels() const {
    const bool is_rgb = color == PNG_COLOR_TYPE_RGB || color == PNG_COLOR_TYPE_RGB_ALPHA;
    return (is_rgb ? 3U : 1U) + (has_alpha() ? 1U : 0U);
  }
};

// The pieces of a file that pixels are made of.
struct Chunks {
  std::vector<Bytes> pieces;
  std::size_t data_bytes = 0;  // compressed pixels
  bool has_transparency = false;

  void keep(Bytes chunk) {
    if (!pieces.empty() && pieces.back().data() + pieces.back().size() == chunk.data()) {
      pieces.back() = {pieces.back().data(), pieces.back().size() + chunk.size()};
    } else {
      pieces.push_back(chunk);
    }
  }
};

constexpr std::size_t signature_size = 8;
constexpr std::size_t chunk_start = 8;  // its length and its type
constexpr std::size_t chunk_frame = chunk_start + 4;
constexpr std::size_t header_size = 13;

// Returns the chunk at the start of `rest`, with its length and its checksum.
Bytes first_chunk(Bytes rest) {
  if (rest.size() < chunk_frame || rest.size() - chunk_frame < big_endian(rest.first(4))) {
    throw Broken("the file ends too early");
  }
  return rest.first(chunk_frame + big_endian(rest.first(4)));
}

std::string_view type_of(Bytes chunk) {
  const std::string_view type(reinterpret_cast<const char*>(chunk.data()) + 4, 4);
  const auto is_letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
  if (!std::ranges::all_of(type, is_letter)) throw Broken("a chunk whose type is not of letters");
  return type;
}

Header header_of(Bytes file) {
  if (file.size() < signature_size) throw Broken("the file ends too early");
  const Bytes chunk = first_chunk(file.subspan(signature_size));
  if (type_of(chunk) != "IHDR" || chunk.size() != chunk_frame + header_size) {
    throw Broken("it does not begin with its header (IHDR)");
  }
  return Header(chunk.subspan(chunk_start, header_size));
}

// Walks the file's chunks without reading their contents. Leaves out chunks that do not affect
// pixels (texts, colour profiles, dates), some of which can claim, or expand to, gigabytes.
Chunks chunks_of(Bytes file, const Header& header) {
  enum class Where { before, in, behind } where = Where::before;
  Chunks chunks;
  chunks.keep(file.first(signature_size + chunk_frame + header_size));
  Bytes rest = file.subspan(signature_size + chunk_frame + header_size);
  while (true) {
    const Bytes chunk = first_chunk(rest);
    rest = rest.subspan(chunk.size());
    const std::string_view type = type_of(chunk);
    if (where == Where::in && type != "IDAT") where = Where::behind;
    if (type == "IEND") {
      chunks.keep(chunk);
      return chunks;
    }
    if (type == "IDAT") {
      if (where == Where::behind) continue;  // libpng reads consecutive ones alone
      where = Where::in;
      chunks.data_bytes += chunk.size() - chunk_frame;
      chunks.keep(chunk);
    } else if (type == "PLTE") {
      if (header.has_palette()) chunks.keep(chunk);  // for others it is only a suggestion
    } else if (type == "tRNS") {
      if (header.has_alpha()) continue;
      if (where == Where::behind) throw Broken("its transparency (tRNS) comes after the pixels");
      if (chunks.has_transparency) throw Broken("it has two transparencies (tRNS)");
      chunks.has_transparency = true;
      chunks.keep(chunk);
    } else if (type[0] >= 'A' && type[0] <= 'Z') {
      throw Broken(text("the chunk ", type, " has to be understood, and is not known"));
    }
  }
}

// Returns the bytes of the uncompressed rows, each with a byte for its filter, as far as doubles
// are exact.
double bytes_of_rows(const Header& header) {
  const std::int64_t bits = std::int64_t{header.bits} * header.channels();
  const auto bytes = [&](std::int64_t width, std::int64_t height) {
    if (width == 0 || height == 0) return 0.0;
    const std::int64_t row = (width * bits + 7) / 8 + 1;
    return static_cast<double>(row) * static_cast<double>(height);
  };
  if (!header.interlaced) return bytes(header.width, header.height);
  double total = 0;
  for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; ++pass) {
    total += bytes(PNG_PASS_COLS(std::int64_t{header.width}, pass),
                   PNG_PASS_ROWS(std::int64_t{header.height}, pass));
  }
  return total;
}

// Refuses files too short for their picture. A few bytes can claim terabytes, and memory would be
// asked for before the rows were found missing; but Deflate makes at most 1032 bytes from one.
void check_size(const Header& header, const Chunks& chunks, std::size_t file_size) {
  constexpr double most_of_one_byte = 1032;
  if (header.width > largest_side || header.height > largest_side) return;  // libpng refuses it
  if (bytes_of_rows(header) > most_of_one_byte * static_cast<double>(chunks.data_bytes)) {
    throw Broken(text("its header tells of a picture of ", header.width, " x ", header.height,
                      " that ", file_size, " bytes cannot hold"));
  }
  const std::int64_t channels =
      (header.has_palette() ? 3 : header.channels()) + (chunks.has_transparency ? 1 : 0);
  const std::int64_t row_bytes = header.width * channels * (header.bits > 8 ? 2 : 1);
  if (row_bytes > most_row_bytes) {
    throw Broken(text("its rows of ", header.width, " pixels are ", row_bytes,
                      " bytes each when they are decoded, of which ", most_row_bytes,
                      " are the most"));
  }
}

// Feeds the file's pieces to libpng.
struct Source {
  std::span<const Bytes> pieces;
  std::size_t position = 0;  // in the first piece
  const Watch* watch = nullptr;
};

void read_bytes(png_structp png, png_bytep to, std::size_t count) {
  auto& source = *static_cast<Source*>(png_get_io_ptr(png));
  if (source.watch->stop.stop_requested()) png_error(png, "stopped");
  while (count > 0) {
    if (source.pieces.empty()) png_error(png, "the file ends too early");
    const Bytes rest = source.pieces[0].subspan(source.position);
    const std::size_t here = std::min(rest.size(), count);
    std::memcpy(to, rest.data(), here);
    to += here;
    count -= here;
    source.position += here;
    if (here < rest.size()) continue;
    source.pieces = source.pieces.subspan(1);
    source.position = 0;
  }
}

struct Decoder {
  Message message;
  png_structp png = nullptr;
  png_infop info = nullptr;
  int passes = 1;
  bool has_transparency = false;

  Decoder() {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &message, on_error, on_warning);
    if (png) info = png_create_info_struct(png);
    if (!info) {
      png_destroy_read_struct(&png, nullptr, nullptr);
      throw std::bad_alloc();
    }
    png_set_user_limits(png, largest_side, largest_side);
    // Without this, libpng skips a broken transparency chunk, which must be an error instead.
    png_set_crc_action(png, PNG_CRC_DEFAULT, PNG_CRC_ERROR_QUIT);
    // Some programs claim a zlib window that is smaller than the distances that follow.
    png_set_option(png, PNG_MAXIMUM_INFLATE_WINDOW, PNG_OPTION_ON);
  }
  ~Decoder() { png_destroy_read_struct(&png, &info, nullptr); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
};

bool read_start(Decoder& decoder) {
  if (setjmp(png_jmpbuf(decoder.png))) return false;
  png_read_info(decoder.png, decoder.info);
  decoder.has_transparency = png_get_valid(decoder.png, decoder.info, PNG_INFO_tRNS) != 0;
  png_set_expand(decoder.png);
  if (native_little) png_set_swap(decoder.png);
  decoder.passes = png_set_interlace_handling(decoder.png);
  png_read_update_info(decoder.png, decoder.info);
  return true;
}

// Fills `rows` as rows are read, so that missing pixels cost no memory.
bool read_rows(const Decoder& decoder, std::span<png_bytep> rows, png_bytep pixels,
               std::size_t row_bytes, const std::stop_token& stop) {
  if (setjmp(png_jmpbuf(decoder.png))) return false;
  for (int pass = 0; pass < decoder.passes; ++pass) {
    for (std::size_t row = 0; row < rows.size(); ++row) {
      if (stop.stop_requested()) png_error(decoder.png, "stopped");
      if (pass == 0) rows[row] = pixels + row * row_bytes;
      png_read_row(decoder.png, rows[row], nullptr);
    }
  }
  png_read_end(decoder.png, nullptr);
  return true;
}

}  // namespace

struct PngFile::Image {
  LargeVector<png_byte> pixels;
  LargeVector<png_bytep> rows;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;
  std::vector<std::int64_t> suboffsets;
  std::int64_t itemsize = 1;

  explicit Image(const Decoder& decoder)
      : itemsize(png_get_bit_depth(decoder.png, decoder.info) / 8) {
    const auto channels = static_cast<std::int64_t>(png_get_channels(decoder.png, decoder.info));
    const std::size_t height = png_get_image_height(decoder.png, decoder.info);
    shape = {static_cast<std::int64_t>(height),
             static_cast<std::int64_t>(png_get_image_width(decoder.png, decoder.info))};
    strides = {sizeof(png_bytep), channels * itemsize};
    suboffsets = {0, -1};
    if (channels > 1) {
      shape.push_back(channels);
      strides.push_back(itemsize);
      suboffsets.push_back(-1);
    }
    pixels.resize(height * png_get_rowbytes(decoder.png, decoder.info));
    rows.resize(height);
  }
};

PngFile::PngFile(const std::string& path, const Watch& watch) {
  const MappedFile file(path);
  const auto fail = [&](const std::string& what) {
    throw Failure(Errc::file_invalid, text(path, ": ", what));
  };
  constexpr std::array<unsigned char, signature_size> signature = {0x89, 'P',  'N',  'G',
                                                                   '\r', '\n', 0x1a, '\n'};
  const std::size_t start = std::min(file.bytes().size(), signature.size());
  if (start == 0) fail("is empty");
  if (std::memcmp(file.bytes().data(), signature.data(), start) != 0) fail("is not a PNG");
  try {
    read(file.bytes(), watch);
  } catch (const Broken& broken) {
    if (watch.stop.stop_requested()) throw Failure(Errc::cancelled, text("reading ", path));
    file.check_unchanged();
    fail(text("a broken PNG: ", broken.what()));
  }
  file.check_unchanged();
}

void PngFile::read(Bytes file, const Watch& watch) {
  const Header header = header_of(file);
  const Chunks chunks = chunks_of(file, header);
  check_size(header, chunks, file.size());
  Decoder decoder;
  Source source{.pieces = chunks.pieces, .watch = &watch};
  png_set_read_fn(decoder.png, &source, read_bytes);
  if (!read_start(decoder)) throw Broken(decoder.message.error.data());
  if (chunks.has_transparency && !decoder.has_transparency) {  // libpng would ignore it
    throw Broken(text("its transparency (tRNS) is of no use: ", decoder.message.warning.data()));
  }
  image_ = std::make_unique<Image>(decoder);
  if (!read_rows(decoder, image_->rows, image_->pixels.data(),
                 png_get_rowbytes(decoder.png, decoder.info), watch.stop)) {
    throw Broken(decoder.message.error.data());
  }
}

PngFile::~PngFile() = default;
PngFile::PngFile(PngFile&&) noexcept = default;

BufferExport PngFile::raw_export() const {
  return {.buf = image_->rows.data(),
          .len = nbytes(),
          .itemsize = image_->itemsize,
          .readonly = true,
          .ndim = static_cast<int>(image_->shape.size()),
          .format = image_->itemsize == 2 ? "H" : "B",
          .shape = image_->shape.data(),
          .strides = image_->strides.data(),
          .suboffsets = image_->suboffsets.data()};
}

const char* PngFile::descr() const noexcept {
  if (image_->itemsize == 1) return "'|u1'";
  return native_little ? "'<u2'" : "'>u2'";
}

std::int64_t PngFile::nbytes() const noexcept {
  std::int64_t bytes = image_->itemsize;
  for (const std::int64_t extent : image_->shape) bytes *= extent;
  return bytes;
}

void check_fits_png(std::span<const std::int64_t> shape, const Format& format) {
  const bool numbers = !format.opaque() && !format.type().is_struct &&
                       format.type().kind == ScalarKind::unsigned_integer && format.itemsize() <= 2;
  bool sides = shape.size() == 2 || (shape.size() == 3 && shape[2] >= 1 && shape[2] <= 4);
  for (const std::int64_t extent : shape) sides = sides && extent > 0 && extent <= largest_side;
  if (numbers && sides) {
    const std::int64_t channels = shape.size() == 3 ? shape[2] : 1;
    const std::int64_t row_bytes = shape[1] * channels * format.itemsize();
    if (row_bytes <= most_row_bytes) return;
    throw Failure(Errc::invalid_argument,
                  text("rows of ", row_bytes, " bytes are too long for a PNG, of which ",
                       most_row_bytes, " are the most; write .npy"));
  }
  throw Failure(Errc::invalid_argument,
                text("a PNG holds (rows, columns) or (rows, columns, 1 to 4 channels) of unsigned "
                     "integers of 8 or 16 bits, and this is ",
                     tuple_text(shape), " of format '", format.text(),
                     "'; choose with --index, or write .npy"));
}

namespace {

// Takes the file's bytes from libpng.
struct Sink {
  WholeFile* file = nullptr;
  const Watch* watch = nullptr;
  std::exception_ptr failure{};
};

void write_bytes(png_structp png, png_bytep from, std::size_t count) {
  auto& sink = *static_cast<Sink*>(png_get_io_ptr(png));
  try {
    sink.file->write(std::as_bytes(std::span(from, count)));
    if (sink.watch->stop.stop_requested()) {
      throw Failure(Errc::cancelled, text("writing ", sink.file->path()));
    }
  } catch (...) {
    sink.failure = std::current_exception();
  }
  if (sink.failure) png_error(png, "not written");
}

void flush_nothing(png_structp) {}

struct Writer {
  Message message;
  png_structp png = nullptr;
  png_infop info = nullptr;

  Writer() {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &message, on_error, on_warning);
    if (png) info = png_create_info_struct(png);
    if (!info) {
      png_destroy_write_struct(&png, nullptr);
      throw std::bad_alloc();
    }
    png_set_user_limits(png, largest_side, largest_side);
  }
  ~Writer() { png_destroy_write_struct(&png, &info); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
};

struct Picture {
  png_uint_32 width = 0;
  png_uint_32 height = 0;
  int bits = 8;
  int color = PNG_COLOR_TYPE_GRAY;
  bool swap = false;
  const png_byte* pixels = nullptr;
  std::size_t row_bytes = 0;
};

bool write_image(png_structp png, png_infop info, const Picture& picture) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_IHDR(png, info, picture.width, picture.height, picture.bits, picture.color,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  if (picture.swap) png_set_swap(png);
  for (png_uint_32 row = 0; row < picture.height; ++row) {
    png_write_row(png, picture.pixels + row * picture.row_bytes);
  }
  png_write_end(png, info);
  return true;
}

}  // namespace

void write_png(WholeFile& file, std::span<const std::int64_t> shape, const Format& format,
               std::span<const std::byte> bytes, const Watch& watch) {
  check_fits_png(shape, format);
  constexpr std::array colors = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                 PNG_COLOR_TYPE_RGB_ALPHA};
  const std::int64_t channels = shape.size() == 3 ? shape[2] : 1;
  const Picture picture{
      .width = static_cast<png_uint_32>(shape[1]),
      .height = static_cast<png_uint_32>(shape[0]),
      .bits = static_cast<int>(8 * format.itemsize()),
      .color = colors[static_cast<std::size_t>(channels - 1)],
      .swap = format.itemsize() == 2 && format.type().little_endian,
      .pixels = reinterpret_cast<const png_byte*>(bytes.data()),
      .row_bytes = static_cast<std::size_t>(shape[1] * channels * format.itemsize())};
  const Writer writer;
  Sink sink{.file = &file, .watch = &watch};
  png_set_write_fn(writer.png, &sink, write_bytes, flush_nothing);
  if (write_image(writer.png, writer.info, picture)) return;
  if (sink.failure) std::rethrow_exception(sink.failure);
  throw Failure(Errc::file_unwritable, text(file.path(), ": ", writer.message.error.data()));
}

}  // namespace multibuffer::files
