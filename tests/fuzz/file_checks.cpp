#include "tests/fuzz/file_checks.hpp"

#include <multibuffer/dataset.hpp>
#include <multibuffer/error.hpp>

#include "host/files/stored_file.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace multibuffer::fuzz {
namespace {

// As many elements as are looked at one by one.
constexpr std::int64_t most_elements = 512;

/// Where the element at `index` begins, by the rule of `StoredArray` word for word.
Wide offset_of(const files::StoredArray& array, const std::vector<std::int64_t>& index) {
  std::size_t piece = 0;
  Wide within = 0;
  for (std::size_t i = 0; i < index.size(); ++i) {
    const std::int64_t pieces = (array.shape[i] - 1) / array.piece[i] + 1;
    piece = piece * static_cast<std::size_t>(pieces) +
            static_cast<std::size_t>(index[i] / array.piece[i]);
    within += static_cast<Wide>(index[i] % array.piece[i]) * array.strides[i];
  }
  require(piece < array.offsets.size(), "an array has fewer pieces than its shape");
  return array.offsets[piece] + within;
}

/// Returns the number of elements, or one more than are looked at.
std::int64_t count_of(const std::vector<std::int64_t>& shape) {
  if (std::ranges::find(shape, 0) != shape.end()) return 0;
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    require(extent > 0, "a negative extent");
    if (extent > most_elements) return most_elements + 1;
    count = std::min(count * extent, most_elements + 1);
  }
  return count;
}

void check_elements(const files::StoredArray& array, std::int64_t bytes) {
  const std::size_t ndim = array.shape.size();
  require(array.piece.size() == ndim && array.strides.size() == ndim, "axes are missing");
  require(array.itemsize >= 0, "a negative itemsize");
  const std::int64_t count = count_of(array.shape);
  std::vector<std::int64_t> index(ndim, 0);
  const auto check = [&] {
    const Wide at = offset_of(array, index);
    require(at >= 0 && at + array.itemsize <= bytes, "an element lies outside of the file");
  };
  if (count == 0) return;
  if (count > most_elements) {  // the first and the last of each axis
    for (std::size_t corner = 0; corner < (std::size_t{1} << std::min<std::size_t>(ndim, 8));
         ++corner) {
      for (std::size_t i = 0; i < ndim; ++i)
        index[i] = (corner >> (i % 8) & 1) != 0 ? array.shape[i] - 1 : 0;
      check();
    }
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    check();
    for (std::size_t axis = ndim; axis-- > 0;) {
      if (++index[axis] < array.shape[axis]) break;
      index[axis] = 0;
    }
  }
}

/// What a dataset gathers must be what it reads one by one; in windows, too.
void check_dataset(const std::string& source) {
  for (const std::int64_t window : {0, 64}) {
    try {
      const Dataset dataset = Dataset::open(source, {.window = window});
      if (count_of(dataset.shape()) > most_elements || dataset.itemsize() > 512) return;
      require(copy(dataset).to_host() == dataset.reference(), source, " is read otherwise");
    } catch (const Error&) {
    }
  }
}

}  // namespace

BytesAsFile::BytesAsFile(Bytes bytes) : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)) {
  require(descriptor_ >= 0 &&
              write(descriptor_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
          "there is no file in memory");
  path_ = text("/proc/self/fd/", descriptor_);
}

BytesAsFile::~BytesAsFile() { close(descriptor_); }

void check_reader(const files::Reader& reader, Bytes bytes) {
  require(reader.open != nullptr, "this build lacks the format");
  const BytesAsFile file(bytes);
  std::vector<std::string> names;
  try {
    const std::unique_ptr<files::StoredFile> opened = reader.open(file.path());
    names = opened->names();
    if (names.size() > 20) names.resize(20);
    std::erase_if(names, [&](const std::string& name) {
      try {
        const files::StoredArray array = opened->array(name);
        const std::int64_t decoded = opened->decoded_bytes();
        check_elements(array, decoded > 0 ? decoded : std::ssize(bytes));
        if (decoded > 0) require(opened->decoded() != nullptr, "nothing was decoded");
        return false;
      } catch (const Error&) {
        return true;
      }
    });
  } catch (const Error&) {
    return;
  }
  for (const std::string& name : names)
    check_dataset(name.empty() ? file.path() : text(file.path(), "::", name));
}

}  // namespace multibuffer::fuzz
