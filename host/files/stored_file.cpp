#include "host/files/stored_file.hpp"

#include <multibuffer/error.hpp>

#include "host/files/input_file.hpp"
#include "host/support/checked.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

namespace multibuffer::files {
namespace {

constexpr std::array all_readers{&npy_reader, &npz_reader, &hdf5_reader, &safetensors_reader,
                                 &png_reader};

std::string known_formats() {
  std::string formats;
  for (const Reader* reader : all_readers)
    formats += text(formats.empty() ? "" : ", ", reader->name);
  return formats;
}

std::string lower_ending(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  for (char& c : ending)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return ending == ".hdf5" || ending == ".hdf" ? ".h5" : ending;
}

const Reader* reader_of(const std::string& path) {
  const std::string ending = lower_ending(path);
  for (const Reader* reader : all_readers)
    if (ending == reader->ending) return reader;
  if (const Reader* const reader = recognised(path)) return reader;
  throw Failure(Errc::file_invalid, text(path, ": of no format that can be read (", known_formats(),
                                         "); for plain numbers, give their type and shape"));
}

}  // namespace

std::span<const Reader* const> readers() { return all_readers; }

const Reader* recognised(const std::string& path) {
  const InputFile file(path);
  std::array<std::byte, 16> start{};
  const auto bytes = static_cast<std::size_t>(std::min<std::int64_t>(file.bytes(), start.size()));
  file.read(0, std::span(start).first(bytes));
  const std::string_view first(reinterpret_cast<const char*>(start.data()), bytes);
  for (const Reader* reader : all_readers)
    if (reader->recognises && reader->recognises(first)) return reader;
  return nullptr;
}

std::string remedy_of(const Reader& reader) {
  if (!reader.remedy.empty()) return std::string(reader.remedy);
  return text("build it where ", reader.package, " is installed");
}

void require_no_name(const std::string& path, const std::string& name) {
  if (!name.empty())
    throw Failure(Errc::file_invalid,
                  text(path, ": a file of this format is one array, and has none called ", name));
}

std::unique_ptr<StoredFile> open_stored_file(const std::string& path) {
  const Reader* const reader = reader_of(path);
  if (!reader->open)
    throw Failure(Errc::file_invalid,
                  text(path, ": this build cannot read ", reader->name, "; ", remedy_of(*reader)));
  return reader->open(path);
}

StoredArray in_one_piece(std::string descr, std::string format, std::int64_t itemsize,
                         std::vector<std::int64_t> shape, std::int64_t offset) {
  StoredArray array{.descr = std::move(descr),
                    .format = std::move(format),
                    .itemsize = itemsize,
                    .shape = std::move(shape),
                    .piece = {},
                    .strides = {},
                    .offsets = {offset}};
  array.strides.resize(array.shape.size());
  array.piece.resize(array.shape.size());
  std::int64_t stride = itemsize;
  for (std::size_t i = array.shape.size(); i-- > 0;) {
    array.strides[i] = stride;
    array.piece[i] = std::max<std::int64_t>(array.shape[i], 1);
    stride = checked_multiply(stride, array.piece[i], "the size of the array in bytes");
  }
  return array;
}

void check_inside(const StoredArray& array, std::int64_t bytes, const std::string& name) {
  const auto refuse = [&](const std::string& what) {
    throw Failure(Errc::file_invalid, text(name, ": ", what));
  };
  if (array.itemsize <= 0) refuse("elements of no bytes, of which nothing can be gathered");
  if (array.shape.size() > 60)
    refuse(text(array.shape.size(), " axes, of which a dataset can have 60"));
  if (std::ranges::find(array.shape, 0) != array.shape.end()) return;
  std::int64_t pieces = 1;
  for (std::size_t i = 0; i < array.shape.size(); ++i)
    pieces =
        checked_multiply(pieces, (array.shape[i] - 1) / array.piece[i] + 1, "the number of pieces");
  if (pieces != static_cast<std::int64_t>(array.offsets.size()))
    refuse(text(array.offsets.size(), " pieces, of which its shape ", tuple_text(array.shape),
                " needs ", pieces));
  // The elements of a whole piece; one at the array's end may hold fewer.
  std::int64_t before = 0;
  std::int64_t after = array.itemsize;
  for (std::size_t i = 0; i < array.shape.size(); ++i) {
    const std::int64_t steps = std::min(array.piece[i], array.shape[i]) - 1;
    std::int64_t& side = array.strides[i] < 0 ? before : after;
    side = checked_add(side, checked_multiply(steps, array.strides[i], "a piece"), "a piece");
  }
  for (const std::int64_t offset : array.offsets) {
    std::int64_t end = 0;
    if (offset < 0 || offset + before < 0 || __builtin_add_overflow(offset, after, &end) ||
        end > bytes)
      refuse(text("its shape ", tuple_text(array.shape), " of elements of ", array.itemsize,
                  " bytes, from byte ", offset, " on, takes bytes ", offset + before, " to ",
                  offset, " + ", after, " of a file of ", bytes));
  }
}

}  // namespace multibuffer::files
