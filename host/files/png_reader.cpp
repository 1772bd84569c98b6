#include "host/files/png.hpp"
#include "host/files/stored_file.hpp"

#include <cstring>
#include <utility>

namespace multibuffer::files {
namespace {

/// A picture, whose elements are decoded whole: offsets count in that.
class StoredPng final : public StoredFile {
 public:
  explicit StoredPng(const std::string& path) : path_(path), file_(path) {}
  std::vector<std::string> names() const override { return {""}; }
  std::int64_t decoded_bytes() const override { return file_.nbytes(); }
  StoredArray array(const std::string& name) const override {
    require_no_name(path_, name);
    const ArrayView view = file_.view();
    return in_one_piece(file_.descr(), view.format().text(), view.itemsize(), view.shape(), 0);
  }
  std::shared_ptr<const std::byte[]> decoded() const override {
    const ArrayView view = file_.view();
    const std::vector<std::int64_t> shape = view.shape();
    const auto row_bytes = static_cast<std::size_t>(view.nbytes() / shape[0]);
    auto all = std::make_shared_for_overwrite<std::byte[]>(static_cast<std::size_t>(view.nbytes()));
    const auto* const rows = reinterpret_cast<const std::byte* const*>(view.base());
    for (std::int64_t i = 0; i < shape[0]; ++i)
      std::memcpy(all.get() + static_cast<std::size_t>(i) * row_bytes, rows[i], row_bytes);
    return all;
  }

 private:
  std::string path_;
  PngFile file_;
};

}  // namespace

const Reader png_reader{"PNG", ".png", "libpng-dev",
                        [](std::string_view first) { return first.starts_with("\x89PNG"); },
                        [](const std::string& path) -> std::unique_ptr<StoredFile> {
                          return std::make_unique<StoredPng>(path);
                        }};

}  // namespace multibuffer::files
