#include "host/dataset/window.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

namespace multibuffer {
namespace {

struct Leaf {
  std::int64_t offset = 0;
  std::uint32_t file = 0;
  std::uint32_t number = 0;  ///< in the order given, of which there are at most 2^20
};

/// Bytes of a file that are kept: those of leaves that touch or overlap.
struct Kept {
  std::uint32_t file = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t at = 0;  ///< in the window

  std::int64_t bytes() const { return end - begin; }
};

/// Reading so many bytes that nobody asked for takes less time than to ask again, and where a disk
/// is read, they are mostly on a page that is read anyway.
constexpr std::int64_t widest_gap = 4096;
/// Rows that are read together with the gaps between them go through memory of this size, from
/// which the rows alone are copied to the window.
constexpr std::int64_t staged_bytes = std::int64_t{1} << 20;

std::vector<Leaf> in_order_of_files(std::span<const std::int64_t> offsets,
                                    std::span<const std::uint32_t> files) {
  std::vector<Leaf> leaves(offsets.size());
  for (std::size_t i = 0; i < leaves.size(); ++i)
    leaves[i] = {offsets[i], files.empty() ? 0U : files[i], static_cast<std::uint32_t>(i)};
  const auto before = [](const Leaf& a, const Leaf& b) {
    return a.file != b.file ? a.file < b.file : a.offset < b.offset;
  };
  if (!std::ranges::is_sorted(leaves, before)) std::ranges::sort(leaves, before);
  return leaves;
}

/// The part from `first` on that is read at once: of one file, with small gaps.
std::size_t end_of_run(const std::vector<Kept>& kept, std::size_t first) {
  std::size_t last = first + 1;
  while (last < kept.size() && kept[last].file == kept[first].file &&
         kept[last].begin - kept[last - 1].end <= widest_gap &&
         kept[last].end - kept[first].begin <= staged_bytes)
    ++last;
  return last;
}

}  // namespace

void Window::reserve(std::int64_t bytes) {
  if (bytes <= capacity_) return;
  bytes_.reset();  // before as much is taken again
  capacity_ = 0;
  bytes_ = std::make_unique_for_overwrite<std::byte[]>(static_cast<std::size_t>(bytes));
  capacity_ = bytes;
}

void Window::read(const DatasetSource& source, std::span<const std::int64_t> offsets,
                  std::span<const std::uint32_t> files, std::int64_t begin, std::int64_t end) {
  addresses_.assign(offsets.size(), 0);
  std::vector<Kept> kept;
  std::int64_t bytes = 0;
  for (const Leaf& leaf : in_order_of_files(offsets, files)) {
    const std::int64_t first = leaf.offset + begin;
    if (kept.empty() || kept.back().file != leaf.file || first > kept.back().end)
      kept.push_back({leaf.file, first, first, bytes});
    Kept& part = kept.back();
    part.end = std::max(part.end, leaf.offset + end);
    addresses_[leaf.number] = part.at + (first - part.begin) - begin;  // in the window, for now
    bytes = part.at + part.bytes();
  }

  reserve(bytes);
  std::optional<files::InputFile> file;
  for (std::size_t i = 0; i < kept.size();) {
    const std::size_t next = end_of_run(kept, i);
    const Kept& first = kept[i];
    if (!file) file.emplace(source.open(first.file));
    if (next == i + 1) {
      file->read(first.begin, {bytes_.get() + first.at, static_cast<std::size_t>(first.bytes())});
    } else {
      if (!staged_)
        staged_ = std::make_unique_for_overwrite<std::byte[]>(std::size_t{staged_bytes});
      const std::int64_t span = kept[next - 1].end - first.begin;
      file->read(first.begin, {staged_.get(), static_cast<std::size_t>(span)});
      for (std::size_t k = i; k < next; ++k)
        std::memcpy(bytes_.get() + kept[k].at, staged_.get() + (kept[k].begin - first.begin),
                    static_cast<std::size_t>(kept[k].bytes()));
    }
    if (next == kept.size() || kept[next].file != first.file) {
      file->check_unchanged();
      file.reset();
    }
    i = next;
  }
  const auto base = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(bytes_.get()));
  for (std::int64_t& address : addresses_) address += base;
}

}  // namespace multibuffer
