#include <multibuffer/error.hpp>

#include "host/files/input_file.hpp"
#include "host/files/npy.hpp"
#include "host/files/stored_file.hpp"
#include "host/files/zip_directory.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <utility>

// A .npz is a ZIP archive with one .npy for each array. An array that is stored, not compressed,
// lies in the archive as it is, behind the header of its .npy. Nothing is unpacked, so checksums
// are not compared: what the archive says of sizes and offsets is checked against its length
// instead.
//
// Source: numpy.lib.npyio.savez.

namespace multibuffer::files {
namespace {

class StoredNpz final : public StoredFile {
 public:
  explicit StoredNpz(const std::string& path) : file_(path) {
    constexpr std::string_view ending = ".npy";
    for (ZipMember& member : read_zip_directory(file_)) {
      if (!member.name.ends_with(ending)) continue;
      std::string array = member.name.substr(0, member.name.size() - ending.size());
      const auto [at, is_new] = members_.try_emplace(array, Entry{std::move(member), false});
      if (is_new)
        names_.push_back(std::move(array));
      else
        at->second.is_repeated = true;
    }
  }

  std::vector<std::string> names() const override { return names_; }

  StoredArray array(const std::string& name) const override {
    const auto found = members_.find(name);
    if (found == members_.end()) refuse_unknown(name);
    const ZipMember& member = found->second.member;
    const std::string full_name = text(file_.path(), "::", name);
    const auto refuse = [&](std::string_view what) {
      throw Failure(Errc::file_invalid, text(full_name, ": ", what));
    };
    if (found->second.is_repeated) refuse("the archive has several members of this name");
    if (member.is_encrypted()) refuse("is encrypted; write it with numpy.savez");
    if (member.method != 0)
      refuse(
          "is compressed, so that its elements do not lie in the file as they are; write it with "
          "numpy.savez, not with numpy.savez_compressed");
    const std::int64_t begin = begin_of_stored(file_, member, full_name);
    const NpyHeader header = read_npy_header(
        full_name, static_cast<std::int64_t>(member.bytes),
        [&](std::int64_t from, std::span<std::byte> to) { file_.read(begin + from, to); });
    StoredArray array = stored_array(header, begin);
    check_inside(array, file_.bytes(), full_name);
    return array;
  }

 private:
  struct Entry {
    ZipMember member;
    bool is_repeated = false;
  };

  [[noreturn]] void refuse_unknown(const std::string& name) const {
    std::string some;
    for (std::size_t i = 0; i < std::min<std::size_t>(names_.size(), 5); ++i)
      some += text(i ? ", " : "", names_[i]);
    throw Failure(Errc::file_invalid,
                  text(file_.path(), ": it has no array ", name, "; there are ",
                       names_.empty() ? "none" : some, names_.size() > 5 ? ", ..." : ""));
  }

  InputFile file_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, Entry> members_;
};

}  // namespace

const Reader npz_reader{"NPZ", ".npz", "",
                        [](std::string_view first) { return first.starts_with("PK\x03\x04"); },
                        [](const std::string& path) -> std::unique_ptr<StoredFile> {
                          return std::make_unique<StoredNpz>(path);
                        }};

}  // namespace multibuffer::files
