#include "host/dataset/window.hpp"

#include "host/support/index_of.hpp"
#include "host/support/threshold.hpp"

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
/// which the rows alone are copied to where they belong.
constexpr Threshold staged_bytes{std::int64_t{1} << 20, 64};

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

/// Returns true if the bytes from `begin` to `end` are read together with those of the same file
/// that are read from `first` to `read_to`.
bool is_near(std::int64_t first, std::int64_t read_to, std::int64_t begin, std::int64_t end) {
  return begin - read_to <= widest_gap && end - first <= staged_bytes;
}

/// The part from `first` on that is read at once.
std::size_t end_of_run(const std::vector<Kept>& kept, std::size_t first) {
  std::size_t last = first + 1;
  while (last < kept.size() && kept[last].file == kept[first].file &&
         is_near(kept[first].begin, kept[last - 1].end, kept[last].begin, kept[last].end))
    ++last;
  return last;
}

/// Throws unless each file is as it was.
void check_files(const DatasetSource& source, const std::vector<Leaf>& leaves) {
  for (std::size_t i = 0; i < leaves.size(); ++i)
    if (i == 0 || leaves[i].file != leaves[i - 1].file) source.check_unchanged(leaves[i].file);
}

/// Reads the files of a window, one after the other, and looks at each once more at its end.
class Files {
 public:
  explicit Files(const DatasetSource& source) : source_(source) {}

  void read(std::uint32_t number, std::int64_t offset, std::byte* to, std::int64_t bytes) {
    if (!file_ || number_ != number) {
      finish();
      file_.emplace(source_.open(number));
      number_ = number;
    }
    file_->read(offset, {to, static_cast<std::size_t>(bytes)});
  }
  void finish() {
    if (file_) file_->check_unchanged();
    file_.reset();
  }

 private:
  const DatasetSource& source_;
  std::optional<files::InputFile> file_;
  std::uint32_t number_ = 0;
};

}  // namespace

std::byte* Window::staged() {
  if (!staged_) staged_ = std::make_unique_for_overwrite<std::byte[]>(index_of(staged_bytes));
  return staged_.get();
}

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
  const std::vector<Leaf> leaves = in_order_of_files(offsets, files);
  // That files are as large as the leaves need may be the word of a description alone: it is looked
  // at before memory is asked for.
  const double most_bytes = static_cast<double>(leaves.size()) * static_cast<double>(end - begin);
  if (most_bytes > static_cast<double>(capacity_)) check_files(source, leaves);
  std::vector<Kept> kept;
  std::int64_t bytes = 0;
  for (const Leaf& leaf : leaves) {
    const std::int64_t first = leaf.offset + begin;
    if (kept.empty() || kept.back().file != leaf.file || first > kept.back().end)
      kept.push_back({leaf.file, first, first, bytes});
    Kept& part = kept.back();
    part.end = std::max(part.end, leaf.offset + end);
    addresses_[leaf.number] = part.at + (first - part.begin) - begin;  // in the window, for now
    bytes = part.at + part.bytes();
  }

  reserve(bytes);
  Files reading(source);
  for (std::size_t i = 0; i < kept.size();) {
    const std::size_t next = end_of_run(kept, i);
    const Kept& first = kept[i];
    if (next == i + 1) {
      reading.read(first.file, first.begin, bytes_.get() + first.at, first.bytes());
    } else {
      reading.read(first.file, first.begin, staged(), kept[next - 1].end - first.begin);
      for (std::size_t k = i; k < next; ++k)
        std::memcpy(bytes_.get() + kept[k].at, staged_.get() + (kept[k].begin - first.begin),
                    static_cast<std::size_t>(kept[k].bytes()));
    }
    i = next;
  }
  reading.finish();
  const auto base = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(bytes_.get()));
  for (std::int64_t& address : addresses_) address += base;
}

void Window::read_to(const DatasetSource& source, std::span<const std::int64_t> offsets,
                     std::span<const std::uint32_t> files, std::int64_t bytes, std::byte* to,
                     std::span<const std::int64_t> places) {
  const std::vector<Leaf> leaves = in_order_of_files(offsets, files);
  const auto follows = [&](const Leaf& leaf, const Leaf& before) {
    return leaf.file == before.file && leaf.offset == before.offset + bytes &&
           places[leaf.number] == places[before.number] + bytes;
  };
  // A file that has changed is an error before anything is written.
  for (std::size_t i = 1; i < leaves.size(); ++i)
    if (leaves[i].file != leaves[i - 1].file) source.check_unchanged(leaves[i].file);
  Files reading(source);
  for (std::size_t i = 0; i < leaves.size();) {
    const Leaf& first = leaves[i];
    std::size_t next = i + 1;
    while (next < leaves.size() && follows(leaves[next], leaves[next - 1])) ++next;
    std::size_t near = next;
    while (near < leaves.size() && leaves[near].file == first.file &&
           is_near(first.offset, leaves[near - 1].offset + bytes, leaves[near].offset,
                   leaves[near].offset + bytes))
      ++near;
    if (near == next) {
      reading.read(first.file, first.offset, to + places[first.number],
                   static_cast<std::int64_t>(next - i) * bytes);
    } else {
      next = near;
      reading.read(first.file, first.offset, staged(),
                   leaves[next - 1].offset + bytes - first.offset);
      for (std::size_t k = i; k < next; ++k)
        std::memcpy(to + places[leaves[k].number],
                    staged_.get() + (leaves[k].offset - first.offset),
                    static_cast<std::size_t>(bytes));
    }
    i = next;
  }
  reading.finish();
}

}  // namespace multibuffer
