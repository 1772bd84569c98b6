#include "host/files/input_file.hpp"
#include "host/files/npy.hpp"
#include "host/files/stored_file.hpp"

#include <algorithm>

namespace multibuffer::files {
namespace {

class StoredNpy final : public StoredFile {
 public:
  explicit StoredNpy(const std::string& path) : path_(path) {
    const InputFile file(path);
    const NpyHeader header = read_npy_header(
        path, file.bytes(),
        [&](std::int64_t offset, std::span<std::byte> to) { file.read(offset, to); });
    array_ = stored_array(header, 0);
    check_inside(array_, file.bytes(), path);
  }
  std::vector<std::string> names() const override { return {""}; }
  StoredArray array(const std::string& name) const override {
    require_no_name(path_, name);
    return array_;
  }

 private:
  std::string path_;
  StoredArray array_;
};

}  // namespace

StoredArray stored_array(const NpyHeader& header, std::int64_t offset) {
  StoredArray array{.descr = header.type.descr,
                    .format = header.type.format,
                    .itemsize = header.type.itemsize,
                    .shape = header.shape,
                    .piece = header.shape,
                    .strides = header.strides,
                    .offsets = {offset + header.data_offset}};
  for (std::int64_t& extent : array.piece) extent = std::max<std::int64_t>(extent, 1);
  return array;
}

const Reader npy_reader{".npy", ".npy", "",
                        [](std::string_view first) { return first.starts_with("\x93NUMPY"); },
                        [](const std::string& path) -> std::unique_ptr<StoredFile> {
                          return std::make_unique<StoredNpy>(path);
                        }};

}  // namespace multibuffer::files
