#include "host/files/png.hpp"

#include <multibuffer/error.hpp>

#include "host/files/mapped_file.hpp"
#include "host/text.hpp"

#include <png.h>

#include <array>
#include <bit>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <exception>
#include <vector>

// libpng reports errors by longjmp, which must not jump over anything that has a destructor. So the
// functions that call setjmp, and the callbacks, own nothing: all that is to be cleaned up belongs
// to the objects that they are given, which live in frames further up.
namespace multibuffer::files {
namespace {

constexpr bool little_endian = std::endian::native == std::endian::little;
constexpr png_uint_32 largest_side = 0x7fffffff;  // the format's own limit

// Where libpng's messages go.
struct Message {
  std::array<char, 200> text{};
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto& kept = *static_cast<Message*>(png_get_error_ptr(png));
  std::snprintf(kept.text.data(), kept.text.size(), "%s", message);
  png_longjmp(png, 1);
}

// Warnings are about what does not touch the pixels: colour profiles, dates, texts.
void on_warning(png_structp, png_const_charp) {}

// The file, as libpng reads it.
struct Source {
  std::span<const std::byte> bytes;
  std::size_t position = 0;
  const Watch* watch = nullptr;
};

void read_bytes(png_structp png, png_bytep to, std::size_t count) {
  auto& source = *static_cast<Source*>(png_get_io_ptr(png));
  if (source.watch->stop.stop_requested()) png_error(png, "stopped");
  if (count > source.bytes.size() - source.position) png_error(png, "the file ends too early");
  std::memcpy(to, source.bytes.data() + source.position, count);
  source.position += count;
}

bool read_image(png_structp png, png_infop info) {
  if (setjmp(png_jmpbuf(png))) return false;
  constexpr int swap = little_endian ? PNG_TRANSFORM_SWAP_ENDIAN : PNG_TRANSFORM_IDENTITY;
  png_read_png(png, info, PNG_TRANSFORM_EXPAND | swap, nullptr);
  return true;
}

std::size_t big_endian(std::span<const std::byte> bytes) {
  std::size_t value = 0;
  for (const std::byte byte : bytes) value = value << 8 | std::to_integer<std::size_t>(byte);
  return value;
}

// A few bytes can claim to be a picture of terabytes, for which libpng would make the rows before
// it found them missing. But Deflate makes no more than 1032 bytes of one.
bool claims_too_much(std::span<const std::byte> file) {
  constexpr std::size_t most_of_one_byte = 1032;
  constexpr std::array<std::size_t, 7> channels_of_color = {1, 1, 3, 1, 2, 1, 4};
  if (file.size() < 26) return false;  // libpng will say that it is cut
  const std::size_t width = big_endian(file.subspan(16, 4));
  const std::size_t height = big_endian(file.subspan(20, 4));
  const std::size_t bits = std::to_integer<std::size_t>(file[24]);
  const std::size_t color = std::to_integer<std::size_t>(file[25]);
  if (width > largest_side || bits > 16 || color >= channels_of_color.size()) return false;
  const std::size_t row_bytes = (width * bits * channels_of_color[color] + 7) / 8;
  return row_bytes > file.size() * most_of_one_byte / std::max<std::size_t>(height, 1);
}

}  // namespace

struct PngFile::Image {
  Message message;
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;
  std::vector<std::int64_t> suboffsets;
  std::int64_t itemsize = 1;

  Image() {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &message, on_error, on_warning);
    if (png) info = png_create_info_struct(png);
    if (!info) {
      png_destroy_read_struct(&png, nullptr, nullptr);
      throw std::bad_alloc();
    }
    png_set_user_limits(png, largest_side, largest_side);
  }
  ~Image() { png_destroy_read_struct(&png, &info, nullptr); }
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  void describe() {
    const auto channels = static_cast<std::int64_t>(png_get_channels(png, info));
    itemsize = png_get_bit_depth(png, info) / 8;
    shape = {static_cast<std::int64_t>(png_get_image_height(png, info)),
             static_cast<std::int64_t>(png_get_image_width(png, info))};
    strides = {sizeof(png_bytep), channels * itemsize};
    suboffsets = {0, -1};
    if (channels == 1) return;
    shape.push_back(channels);
    strides.push_back(itemsize);
    suboffsets.push_back(-1);
  }
};

PngFile::PngFile(const std::string& path, const Watch& watch) {
  const MappedFile file(path);
  const auto fail = [&](const std::string& what) {
    throw Error(Errc::file_invalid, text(path, ": ", what));
  };
  constexpr std::array<unsigned char, 8> signature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  const std::size_t start = std::min(file.bytes().size(), signature.size());
  if (start == 0) fail("is empty");
  if (std::memcmp(file.bytes().data(), signature.data(), start) != 0) fail("is not a PNG");
  if (claims_too_much(file.bytes())) {
    fail(text("a broken PNG: its header tells of a picture that ", file.bytes().size(),
              " bytes cannot hold"));
  }
  image_ = std::make_unique<Image>();
  Source source{.bytes = file.bytes(), .watch = &watch};
  png_set_read_fn(image_->png, &source, read_bytes);
  if (!read_image(image_->png, image_->info)) {
    if (watch.stop.stop_requested()) throw Error(Errc::cancelled, text("reading ", path));
    fail(text("a broken PNG: ", image_->message.text.data()));
  }
  png_set_read_fn(image_->png, nullptr, nullptr);  // the source ends here, the rows live on
  image_->describe();
}

PngFile::~PngFile() = default;
PngFile::PngFile(PngFile&&) noexcept = default;

BufferExport PngFile::raw_export() const {
  return {.buf = png_get_rows(image_->png, image_->info),
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
  return little_endian ? "'<u2'" : "'>u2'";
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
  if (numbers && sides) return;
  throw Error(Errc::invalid_argument,
              text("a PNG holds (rows, columns) or (rows, columns, 1 to 4 channels) of unsigned "
                   "integers of 8 or 16 bits, and this is ",
                   tuple_text(shape), " of format '", format.text(),
                   "'; choose with --index, or write .npy"));
}

namespace {

// The file, as libpng writes it.
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
      throw Error(Errc::cancelled, text("writing ", sink.file->path()));
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
  throw Error(Errc::file_unwritable, text(file.path(), ": ", writer.message.text.data()));
}

}  // namespace multibuffer::files
