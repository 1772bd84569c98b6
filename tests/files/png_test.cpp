#include "host/files/png.hpp"

#include <multibuffer/error.hpp>
#include <multibuffer/reference.hpp>

#include "tests/testing/scratch.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>
#include <png.h>
#include <sys/resource.h>

#include <cstdint>
#include <numeric>
#include <stop_token>
#include <string>
#include <vector>

namespace multibuffer::files {
namespace {

using multibuffer::testing::as_bytes;
using multibuffer::testing::bytes_of;
using multibuffer::testing::expect_error;
using multibuffer::testing::read_file;
using multibuffer::testing::Scratch;
using multibuffer::testing::write_file;

using Shape = std::vector<std::int64_t>;
using Bytes = std::vector<std::uint8_t>;
using Words = std::vector<std::uint16_t>;

/// A picture as libpng is to store it, in kinds that `write_png` does not write.
struct Stored {
  png_uint_32 width = 0;
  png_uint_32 height = 0;
  int bits = 8;
  int color = PNG_COLOR_TYPE_GRAY;
  int interlace = PNG_INTERLACE_NONE;
  std::vector<png_color> palette{};
  std::vector<png_byte> alphas{};           ///< of the palette's colours
  std::vector<png_uint_16> transparent{};   ///< a grey, or red, green and blue
  std::vector<std::vector<png_byte>> rows;  ///< packed, 16 bits big-endian
};

void append(png_structp png, png_bytep data, std::size_t count) {
  static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<char*>(data), count);
}

void set_transparency(png_structp png, png_infop info, const Stored& stored) {
  png_color_16 color{};
  if (stored.transparent.size() == 1) color.gray = stored.transparent[0];
  if (stored.transparent.size() == 3) {
    color.red = stored.transparent[0];
    color.green = stored.transparent[1];
    color.blue = stored.transparent[2];
  }
  if (!stored.transparent.empty()) png_set_tRNS(png, info, nullptr, 0, &color);
  if (!stored.alphas.empty()) {
    png_set_tRNS(png, info, stored.alphas.data(), static_cast<int>(stored.alphas.size()), nullptr);
  }
}

std::string encode(const Stored& stored) {
  std::string bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(png, &bytes, append, [](png_structp) {});
  png_set_IHDR(png, info, stored.width, stored.height, stored.bits, stored.color, stored.interlace,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!stored.palette.empty()) {
    png_set_PLTE(png, info, stored.palette.data(), static_cast<int>(stored.palette.size()));
  }
  set_transparency(png, info, stored);
  std::vector<std::vector<png_byte>> rows = stored.rows;
  std::vector<png_bytep> pointers;
  pointers.reserve(rows.size());
  for (std::vector<png_byte>& row : rows) pointers.push_back(row.data());
  png_set_rows(png, info, pointers.data());
  png_write_png(png, info, PNG_TRANSFORM_IDENTITY, nullptr);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

class Png : public ::testing::Test {
 protected:
  PngFile open(const std::string& bytes) const {
    write_file(path(), bytes);
    return PngFile(path());
  }
  void expect_invalid(const std::string& bytes, const std::string& part) const {
    SCOPED_TRACE(part);
    expect_error(Errc::file_invalid, part, [&] { open(bytes); });
    expect_error(Errc::file_invalid, path(), [&] { open(bytes); });
  }
  std::string write(const Shape& shape, const Format& format, const std::string& elements) const {
    WholeFile file(path());
    write_png(file, shape, format, as_bytes(elements));
    file.commit();
    return read_file(path());
  }
  std::string path() const { return scratch_ / "picture.png"; }

  Scratch scratch_;
};

/// The elements, through the row pointers.
std::string elements_of(const PngFile& file) {
  const reference::Result result = reference::gather(file.raw_export(), {});
  return {reinterpret_cast<const char*>(result.bytes.data()), result.bytes.size()};
}

void expect_picture(const PngFile& file, const Shape& shape, const std::string& elements) {
  EXPECT_EQ(file.view().shape(), shape);
  EXPECT_EQ(elements_of(file), elements);
}

const Format bytes_format("B", 1);
const Format words_format("H", 2);

TEST_F(Png, IsAnArrayOfPointersToRows) {
  const std::string elements = bytes_of(Bytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  const PngFile file = open(write({2, 2, 3}, bytes_format, elements));
  const BufferExport source = file.raw_export();
  EXPECT_EQ(Shape(source.suboffsets, source.suboffsets + 3), (Shape{0, -1, -1}));
  EXPECT_EQ(Shape(source.strides, source.strides + 3), (Shape{8, 3, 1}));
  EXPECT_STREQ(source.format, "B");
  EXPECT_STREQ(file.descr(), "'|u1'");
  EXPECT_EQ(file.view().layout().levels(), 1);
  EXPECT_EQ(file.nbytes(), 12);
  expect_picture(file, {2, 2, 3}, elements);
}

TEST_F(Png, EveryNumberOfChannelsAndBothDepthsAreReadAsTheyWereWritten) {
  for (const std::int64_t channels : {1, 2, 3, 4}) {
    SCOPED_TRACE(channels);
    const auto count = static_cast<std::size_t>(channels) * 5 * 7;
    Bytes bytes(count);
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{3});
    Words words(count);
    for (std::size_t i = 0; i < count; ++i) words[i] = static_cast<std::uint16_t>(i * 12345);
    const Shape shape = channels == 1 ? Shape{5, 7} : Shape{5, 7, channels};
    expect_picture(open(write(shape, bytes_format, bytes_of(bytes))), shape, bytes_of(bytes));
    const PngFile deep = open(write(shape, words_format, bytes_of(words)));
    expect_picture(deep, shape, bytes_of(words));
    EXPECT_STREQ(deep.raw_export().format, "H");
    EXPECT_STREQ(deep.descr(), "'<u2'");
  }
}

TEST_F(Png, OneChannelIsGrey) {
  expect_picture(open(write({1, 2, 1}, bytes_format, "xy")), {1, 2}, "xy");
}

TEST_F(Png, BigEndianWordsAreWrittenAsTheNumbersThatTheyAre) {
  const std::string file = write({1, 1}, Format(">H", 2), "\x12\x34");
  expect_picture(open(file), {1, 1}, bytes_of(Words{0x1234}));
}

TEST_F(Png, SmallGreysBecomeBytes) {
  for (const int bits : {1, 2, 4}) {
    SCOPED_TRACE(bits);
    const Stored stored{.width = 8,
                        .height = 1,
                        .bits = bits,
                        .rows = {{0b10110001, 0b00011011, 0b01010101, 0b11111111}}};
    Bytes expected;
    for (int i = 0; i < 8; ++i) {
      const int bit = i * bits;
      const int byte = stored.rows[0][static_cast<std::size_t>(bit / 8)];
      const int value = byte >> (8 - bits - bit % 8) & ((1 << bits) - 1);
      expected.push_back(static_cast<std::uint8_t>(value * 255 / ((1 << bits) - 1)));
    }
    expect_picture(open(encode(stored)), {1, 8}, bytes_of(expected));
  }
}

TEST_F(Png, PalettesBecomeColours) {
  Stored stored{.width = 3,
                .height = 1,
                .bits = 2,
                .color = PNG_COLOR_TYPE_PALETTE,
                .palette = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}},
                .rows = {{0b10000100}}};
  expect_picture(open(encode(stored)), {1, 3, 3}, bytes_of(Bytes{7, 8, 9, 1, 2, 3, 4, 5, 6}));
  stored.alphas = {10, 20};
  expect_picture(open(encode(stored)), {1, 3, 4},
                 bytes_of(Bytes{7, 8, 9, 255, 1, 2, 3, 10, 4, 5, 6, 20}));
}

TEST_F(Png, ATransparentColourBecomesAlpha) {
  expect_picture(open(encode({.width = 2, .height = 1, .transparent = {7}, .rows = {{7, 8}}})),
                 {1, 2, 2}, bytes_of(Bytes{7, 0, 8, 255}));
  const Stored color{.width = 2,
                     .height = 1,
                     .bits = 16,
                     .color = PNG_COLOR_TYPE_RGB,
                     .transparent = {1, 2, 3},
                     .rows = {{0, 1, 0, 2, 0, 3, 0, 1, 0, 2, 0, 4}}};
  expect_picture(open(encode(color)), {1, 2, 4}, bytes_of(Words{1, 2, 3, 0, 1, 2, 4, 65535}));
}

TEST_F(Png, InterlacedPicturesArePutTogether) {
  Stored stored{.width = 9, .height = 11, .interlace = PNG_INTERLACE_ADAM7, .rows = {}};
  Bytes expected;
  for (png_byte row = 0; row < 11; ++row) {
    stored.rows.emplace_back();
    for (png_byte column = 0; column < 9; ++column) {
      stored.rows.back().push_back(static_cast<png_byte>(20 * row + column));
      expected.push_back(stored.rows.back().back());
    }
  }
  expect_picture(open(encode(stored)), {11, 9}, bytes_of(expected));
}

TEST_F(Png, OutlivesItsFileAndItsMove) {
  PngFile first = open(write({2, 3}, bytes_format, "abcdef"));
  std::filesystem::remove(path());
  const BufferExport source = first.raw_export();
  const PngFile second = std::move(first);
  EXPECT_EQ(source.buf, second.raw_export().buf);
  expect_picture(second, {2, 3}, "abcdef");
}

TEST_F(Png, FilesThatAreNoneAreRefused) {
  expect_invalid("", "is empty");
  expect_invalid("GIF89a", "is not a PNG");
  expect_invalid("\x93NUMPY", "is not a PNG");
  expect_error(Errc::file_unreadable, "No such file", [&] { PngFile(scratch_ / "none.png"); });
  expect_error(Errc::file_unreadable, "Is a directory", [&] { PngFile(scratch_.path()); });
}

TEST_F(Png, CutFilesAreRefused) {
  const std::string whole = write({4, 4, 3}, bytes_format, std::string(48, 'x'));
  for (std::size_t size = 1; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    expect_invalid(whole.substr(0, size), "a broken PNG: the file ends too early");
  }
}

TEST_F(Png, ADamagedFileIsNoPictureOrTheSameOne) {
  const std::string elements = "some picture";
  const std::string whole = write({3, 4}, bytes_format, elements);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
      try {
        EXPECT_EQ(elements_of(open(bytes)), elements) << "byte " << i;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::file_invalid) << error.what();
      }
    }
  }
  std::string bytes = whole;
  bytes[30] = static_cast<char>(bytes[30] ^ 1);
  expect_invalid(bytes, "a broken PNG: IHDR: CRC error");
}

TEST_F(Png, PicturesTooLargeForTheirFileAreRefusedBeforeTheyTakeMemory) {
  std::string bytes = write({1, 1}, bytes_format, "x");
  for (const std::size_t byte : {16U, 20U}) bytes[byte] = '\x7f';
  expect_invalid(bytes, "bytes cannot hold");
}

std::string big_endian_bytes(std::uint32_t number) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift & 0xff);
  return bytes;
}

/// A chunk with its checksum, which `damage` changes.
std::string chunk(const std::string& type, const std::string& data, std::uint32_t damage = 0) {
  std::uint32_t crc = 0xffffffff;
  for (const char c : type + data) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
  }
  return big_endian_bytes(static_cast<std::uint32_t>(data.size())) + type + data +
         big_endian_bytes(~crc ^ damage);
}

/// A PNG of these chunks, its end added.
std::string png_of(std::uint32_t width, std::uint32_t height, int bits, int color,
                   const std::string& chunks) {
  std::string header = big_endian_bytes(width) + big_endian_bytes(height);
  header += {static_cast<char>(bits), static_cast<char>(color), '\0', '\0', '\0'};
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + chunks + chunk("IEND", "");
}

/// The pixels of 2 x 1 bytes "\0\1", compressed; two as numbers of colours.
const std::string two_pixels =
    chunk("IDAT", std::string("\x78\x9c\x63\x60\x60\x04\x00\x00\x04\x00\x02", 11));

/// At least `size` bytes of 0, compressed: 13 bits for 258 of them.
std::string deflated_zeros(std::size_t size) {
  std::string bytes = "\x78\xda";
  std::uint32_t bits = 0;
  int count = 0;
  const auto put = [&](std::uint32_t value, int length) {
    bits |= value << count;
    for (count += length; count >= 8; count -= 8, bits >>= 8)
      bytes += static_cast<char>(bits & 0xff);
  };
  // One block, the last, of fixed codes.
  put(1, 1);
  put(1, 2);
  put(0x0c, 8);  // the literal 0, its code 00110000 from the first bit on
  std::uint32_t all = 1;
  for (; all < size; all += 258) {
    put(0xa3, 8);  // the length 258, code 11000101
    put(0, 5);     // the distance 1
  }
  put(0, 7);  // the end
  put(0, 7);
  return bytes + big_endian_bytes((all % 65521) << 16 | 1);  // the checksum of as many zeros
}

/// The memory that this process has had at the most, in bytes.
std::int64_t most_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

TEST_F(Png, TheTestsOwnChunksAreRight) {
  expect_picture(open(png_of(2, 1, 8, PNG_COLOR_TYPE_GRAY, two_pixels)), {1, 2},
                 std::string("\0\1", 2));
}

TEST_F(Png, RowsThatLibpngCannotCountAreRefused) {
  // Three bytes a pixel are 2 more than 32 bits hold, so that a row would get 2 bytes.
  constexpr std::uint32_t width = 1431655766;
  const std::string data = chunk("PLTE", "abcdef") + chunk("IDAT", deflated_zeros(width / 8 + 2));
  expect_invalid(png_of(width, 1, 1, PNG_COLOR_TYPE_PALETTE, data),
                 "its rows of 1431655766 pixels are 4294967298 bytes each when they are decoded");
  for (const int color : {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_RGB_ALPHA})
    expect_invalid(png_of(0x7fffffff, 1, color == PNG_COLOR_TYPE_GRAY ? 1 : 16, color,
                          chunk("IDAT", std::string(20'000'000, 'x'))),
                   "when they are decoded");
}

TEST_F(Png, ChunksThatDoNotTouchThePixelsAreNotRead) {
  // libpng has a limit for one text, and takes a thousand of them.
  const std::string text = chunk("zTXt", std::string("k\0\0", 3) + deflated_zeros(7'000'000));
  std::string texts;
  for (int i = 0; i < 60; ++i) texts += text;
  const std::int64_t before = most_memory();
  expect_picture(open(png_of(2, 1, 8, PNG_COLOR_TYPE_GRAY, texts + two_pixels + texts)), {1, 2},
                 std::string("\0\1", 2));
  EXPECT_LT(most_memory() - before, std::int64_t{100} << 20);
  for (const char* type : {"tEXt", "zTXt", "iTXt", "iCCP", "sPLT", "pCAL", "eXIf", "teST"}) {
    const std::string other = chunk(type, "nonsense", 1);
    expect_picture(open(png_of(2, 1, 8, PNG_COLOR_TYPE_GRAY, other + two_pixels + other)), {1, 2},
                   std::string("\0\1", 2));
  }
}

TEST_F(Png, ChunksThatClaimMoreThanTheFileHasAreRefusedBeforeTheyTakeMemory) {
  const std::int64_t before = most_memory();
  for (const char* type : {"tEXt", "sPLT", "tRNS", "PLTE", "IDAT"}) {
    std::string bytes = png_of(2, 1, 8, PNG_COLOR_TYPE_GRAY, chunk(type, "abcd") + two_pixels);
    bytes.replace(33, 4, big_endian_bytes(0x7ffffff0));
    expect_invalid(bytes, "the file ends too early");
  }
  EXPECT_LT(most_memory() - before, std::int64_t{100} << 20);
}

TEST_F(Png, ChunksThatAreUnknownAndCannotBeDoneWithoutAreRefused) {
  const auto with = [](const std::string& bytes) {
    return png_of(2, 1, 8, PNG_COLOR_TYPE_GRAY, bytes + two_pixels);
  };
  expect_invalid(with(chunk("ABCD", "x")), "the chunk ABCD has to be understood");
  expect_invalid(with(chunk("a CD", "x")), "a chunk whose type is not of letters");
  expect_invalid(with(chunk("IHDR", std::string(13, 'x'))), "IHDR");
  expect_invalid("\x89PNG\r\n\x1a\n" + two_pixels + chunk("IEND", ""), "IHDR");
}

TEST_F(Png, RowsAreCountedWithTheirFilters) {
  // 10,000,000 rows of a byte each are twice as many bytes before they are compressed.
  const std::int64_t before = most_memory();
  expect_invalid(
      png_of(1, 10'000'000, 8, PNG_COLOR_TYPE_GRAY, chunk("IDAT", std::string(10'000, 'x'))),
      "bytes cannot hold");
  // What is possible, but not there, takes no memory either.
  expect_invalid(png_of(1, 10'000'000, 8, PNG_COLOR_TYPE_GRAY,
                        chunk("IDAT", deflated_zeros(2000) + std::string(30'000, 'x'))),
                 "a broken PNG");
  EXPECT_LT(most_memory() - before, std::int64_t{50} << 20);
}

TEST_F(Png, TransparencyIsUsedOrTheFileIsRefused) {
  const std::string palette = chunk("PLTE", "abcdef");
  const std::string alpha = chunk("tRNS", "x");
  const auto picture = [](const std::string& chunks) {
    return png_of(2, 1, 8, PNG_COLOR_TYPE_PALETTE, chunks);
  };
  expect_picture(open(picture(palette + alpha + two_pixels)), {1, 2, 4}, "abcxdef\xff");
  expect_invalid(picture(palette + chunk("tRNS", "x", 1) + two_pixels), "tRNS: CRC error");
  expect_invalid(picture(alpha + palette + two_pixels), "its transparency (tRNS)");
  expect_invalid(picture(palette + chunk("tRNS", "xyz") + two_pixels), "its transparency (tRNS)");
  expect_invalid(picture(palette + chunk("tRNS", "") + two_pixels), "its transparency (tRNS)");
  expect_invalid(picture(palette + two_pixels + alpha), "its transparency (tRNS)");
  expect_invalid(picture(palette + alpha + alpha + two_pixels), "two transparencies (tRNS)");
  expect_invalid(png_of(2, 1, 8, PNG_COLOR_TYPE_GRAY, alpha + two_pixels),
                 "its transparency (tRNS)");
  // Where there is alpha, it means nothing.
  const std::string rgba = encode(
      {.width = 1, .height = 1, .color = PNG_COLOR_TYPE_RGB_ALPHA, .rows = {{'a', 'b', 'c', 'd'}}});
  expect_picture(open(rgba.substr(0, 33) + alpha + rgba.substr(33)), {1, 1, 4}, "abcd");
}

TEST_F(Png, AWindowThatIsUnderstatedIsNoFault) {
  // Distances of up to 30,000 bytes, and a header that tells of 256.
  Stored stored{.width = 1000, .height = 200, .rows = {}};
  std::string expected;
  for (std::uint32_t row = 0; row < 200; ++row) {
    stored.rows.emplace_back();
    for (std::uint32_t column = 0; column < 1000; ++column) {
      const std::uint32_t scrambled = (row % 20 * 1000 + column) * 2654435761U;
      stored.rows.back().push_back(static_cast<png_byte>(scrambled >> 24));
      expected += static_cast<char>(scrambled >> 24);
    }
  }
  const std::string whole = encode(stored);
  const std::size_t data = whole.find("IDAT");
  const std::size_t length =
      (static_cast<std::size_t>(static_cast<unsigned char>(whole[data - 2])) << 8) +
      static_cast<unsigned char>(whole[data - 1]);
  std::string bytes = whole.substr(data + 4, length);
  ASSERT_LT(whole.size(), 150'000U);  // so distances are used
  bytes[0] = '\x08';
  bytes[1] = '\x1d';
  expect_picture(
      open(whole.substr(0, data - 4) + chunk("IDAT", bytes) + whole.substr(data + 8 + length)),
      {200, 1000}, expected);
}

TEST_F(Png, ReadingAndWritingStopOnRequest) {
  std::stop_source source;
  source.request_stop();
  const Watch watch{.stop = source.get_token(), .progress = {}};
  write({1, 1}, bytes_format, "x");
  expect_error(Errc::cancelled, path(), [&] { PngFile(path(), watch); });
  expect_error(Errc::cancelled, path(), [&] {
    WholeFile file(path());
    write_png(file, Shape{1, 1}, bytes_format, as_bytes("x"), watch);
  });
}

TEST_F(Png, SaysWhatItCanHold) {
  const auto expect_refused = [](const Shape& shape, const Format& format) {
    expect_error(Errc::invalid_argument,
                 "a PNG holds (rows, columns) or (rows, columns, 1 to 4 channels)",
                 [&] { check_fits_png(shape, format); });
  };
  for (const Shape& shape : {Shape{}, {5}, {5, 5, 5}, {5, 5, 0}, {0, 5}, {5, 0}, {5, 5, 3, 1}}) {
    expect_refused(shape, bytes_format);
  }
  for (const char* format : {"b", "?", "c"}) expect_refused({5, 5}, Format(format, 1));
  expect_refused({5, 5}, Format("h", 2));
  expect_refused({5, 5}, Format("f", 4));
  expect_refused({5, 5}, Format("T{B:a:}", 1));
  expect_refused({5, 5}, Format("no format", 1));
  expect_error(Errc::invalid_argument, "rows of 2147483648 bytes are too long for a PNG", [] {
    check_fits_png(Shape{1, 268'435'456, 4}, words_format);
  });
  check_fits_png(Shape{5, 5}, bytes_format);
  check_fits_png(Shape{5, 5, 4}, Format(">H", 2));
}

TEST_F(Png, AFailedWriteIsTheSystemsReason) {
  expect_error(Errc::file_unwritable, "/dev/full: No space left on device", [] {
    WholeFile file("/dev/full");
    write_png(file, Shape{1, 1}, bytes_format, as_bytes("x"));
    file.commit();
  });
}

}  // namespace
}  // namespace multibuffer::files
