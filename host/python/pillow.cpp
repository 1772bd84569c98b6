#include "host/python/module.hpp"
#include "host/support/text.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace py = pybind11;

// Pillow's image in C is the structure `ImagingMemoryInstance` of its Imaging.h, which Python gets
// in a capsule. What it says of rows has stood in one order since Pillow 5, but not always in one
// place: what stands in front of it has changed. So it is recognised by what it must say of an
// image whose size and mode are known.

namespace multibuffer::python {
namespace {

/// The fields that follow the numbers of bands, columns and rows in that structure.
struct RowsOfImage {
  const void* palette;
  const void* rows_of_bytes;  ///< the table, where a pixel is one byte or two
  const void* rows_of_words;  ///< the table, where a pixel is four
  const std::byte* const* rows;
  const std::byte* block;  ///< of all rows, if there is only one
  const void* blocks;
  std::int32_t pixel_bytes, row_bytes;
};
static_assert(sizeof(RowsOfImage) == 56);

/// The facts about an image that Python tells.
struct Image {
  std::int32_t width, height, bands, pixel_bytes;
};

/// Less than the structure has in any version.
constexpr std::size_t known_bytes = 88;

bool describes(const RowsOfImage& found, const Image& image) {
  if (found.pixel_bytes != image.pixel_bytes || found.row_bytes != image.width * image.pixel_bytes)
    return false;
  const void* const of_bytes = image.pixel_bytes <= 2 ? found.rows : nullptr;
  const void* const of_words = image.pixel_bytes == 4 ? found.rows : nullptr;
  if (!found.rows || found.rows_of_bytes != of_bytes || found.rows_of_words != of_words)
    return false;
  for (std::int32_t y = 0; y < image.height; ++y) {
    if (!found.rows[y]) return false;
    if (found.block && found.rows[y] != found.block + std::ptrdiff_t{y} * found.row_bytes)
      return false;
  }
  return true;
}

/// The address of an image's table of rows; 0 if nothing in its structure looks like one.
std::uintptr_t find_rows(const py::capsule& capsule, const Image& image) {
  const char* const name = capsule.name();
  if (!name || (std::strcmp(name, "Pillow Imaging") != 0 && std::strcmp(name, "PIL Imaging") != 0))
    return 0;
  std::byte structure[known_bytes];
  std::memcpy(structure, capsule.get_pointer(), sizeof structure);
  const std::int32_t wanted[] = {image.bands, image.width, image.height};
  constexpr std::size_t alignment = alignof(RowsOfImage);
  for (std::size_t at = 0;; at += sizeof(std::int32_t)) {
    const std::size_t next = (at + sizeof wanted + alignment - 1) / alignment * alignment;
    if (next + sizeof(RowsOfImage) > known_bytes) return 0;
    if (std::memcmp(structure + at, wanted, sizeof wanted) != 0) continue;
    RowsOfImage found;
    std::memcpy(&found, structure + next, sizeof found);
    if (describes(found, image)) return reinterpret_cast<std::uintptr_t>(found.rows);
  }
}

std::uintptr_t row_table(const py::object& capsule, int width, int height, int bands,
                         int pixel_bytes) {
  if (!PyCapsule_CheckExact(capsule.ptr()))
    throw py::type_error(
        text("capsule must be a capsule of Pillow's, not ", Py_TYPE(capsule.ptr())->tp_name));
  return find_rows(py::reinterpret_borrow<py::capsule>(capsule),
                   {width, height, bands, pixel_bytes});
}

}  // namespace

void bind_pillow(py::module_& module) {
  add_function<row_table>(
      module, "_row_table($module, capsule, width, height, bands, pixel_bytes)",
      "For rows(): the address of the table of rows of the image that a capsule of Pillow's leads\n"
      "to; 0 if it is not to be found.");
}

}  // namespace multibuffer::python
