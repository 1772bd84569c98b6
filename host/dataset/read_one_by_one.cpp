#include "host/dataset/reading.hpp"

#include <cstring>
#include <map>
#include <utility>

namespace multibuffer {
namespace {

/// The piece of an axis that has an index, and the index within it, by counting.
std::pair<std::int64_t, std::int64_t> place_of(const GridAxis& axis, std::int64_t index) {
  std::int64_t piece = 0;
  std::int64_t first = 0;
  for (std::size_t i = 1; i + 1 < axis.starts.size() && axis.starts[i] <= index; ++i) {
    piece = static_cast<std::int64_t>(i);
    first = axis.starts[i];
  }
  if (axis.starts.empty()) {
    piece = index / axis.piece;
    first = piece * axis.piece;
  }
  return {piece, index - first};
}

class OneByOne {
 public:
  OneByOne(const DatasetSource& source, const Format& format, const Layout& layout)
      : source_(source), layout_(layout), itemsize_(format.itemsize()) {}

  std::vector<std::byte> all() {
    if (layout_.empty()) return {};
    std::vector<std::byte> result(static_cast<std::size_t>(layout_.size() * itemsize_));
    std::vector<std::int64_t> index(layout_.axes().size(), 0);
    for (std::size_t at = 0; at < result.size(); at += static_cast<std::size_t>(itemsize_)) {
      read_element(index, result.data() + at);
      for (std::size_t i = index.size(); i-- > 0;) {
        if (++index[i] < layout_.axes()[i].extent) break;
        index[i] = 0;
      }
    }
    close_all();
    return result;
  }

 private:
  void close_all() {
    for (const auto& [file, input] : open_) input.check_unchanged();
    open_.clear();
  }

  void read_element(const std::vector<std::int64_t>& index, std::byte* to) {
    std::vector<std::int64_t> at(layout_.origins().begin(), layout_.origins().end());
    for (std::size_t i = 0; i < index.size(); ++i)
      at[static_cast<std::size_t>(layout_.axes()[i].level)] += index[i] * layout_.axes()[i].stride;
    std::int64_t piece = 0;
    std::int64_t byte = at.back();
    for (std::size_t axis = 0; axis < source_.grid.axes.size(); ++axis) {
      const auto [number, within] = place_of(source_.grid.axes[axis], at[axis]);
      piece = piece * source_.grid.axes[axis].pieces() + number;
      byte += within * source_.grid.axes[axis].stride;
    }
    const std::uint32_t file = source_.grid.file_of(piece);
    byte += source_.grid.offsets[static_cast<std::size_t>(piece)];
    const DatasetFile& known = source_.files[file];
    const std::size_t bytes = static_cast<std::size_t>(itemsize_);
    if (known.path.empty() || known.decoded_bytes > 0) {
      const auto base = reinterpret_cast<std::uintptr_t>(source_.contents(file));
      std::memcpy(to, reinterpret_cast<const void*>(base + static_cast<std::uintptr_t>(byte)),
                  bytes);
      return;
    }
    auto open = open_.find(file);
    if (open == open_.end()) {
      if (open_.size() >= 64) close_all();  // a process has only so many descriptors
      open = open_.emplace(file, source_.open(file)).first;
    }
    open->second.read(byte, {to, bytes});
  }

  const DatasetSource& source_;
  const Layout& layout_;
  std::int64_t itemsize_;
  std::map<std::uint32_t, files::InputFile> open_;
};

}  // namespace

std::vector<std::byte> read_one_by_one(const DatasetSource& source, const Format& format,
                                       const Layout& layout) {
  return OneByOne(source, format, layout).all();
}

}  // namespace multibuffer
