#include "host/dataset/window.hpp"

#include <algorithm>
#include <numeric>
#include <optional>

namespace multibuffer {
namespace {

/// Bytes of a file that are read at once, and where to.
struct Run {
  std::uint32_t file = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t at = 0;  ///< in the window
};

/// Reading so many bytes that nobody asked for takes less time than to ask again. A gap is no
/// larger than a leaf, so a window is at most twice as large as its leaves.
constexpr std::int64_t widest_gap = 4096;

}  // namespace

Window::Window(const DatasetSource& source, std::span<const std::int64_t> offsets,
               std::span<const std::uint32_t> files, std::int64_t begin, std::int64_t end)
    : addresses_(offsets.size()) {
  const auto file_of = [&](std::size_t leaf) { return files.empty() ? 0U : files[leaf]; };
  std::vector<std::size_t> order(offsets.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    return file_of(a) != file_of(b) ? file_of(a) < file_of(b) : offsets[a] < offsets[b];
  });

  const std::int64_t gap = std::min(widest_gap, end - begin);
  std::vector<Run> runs;
  std::int64_t bytes = 0;
  for (const std::size_t leaf : order) {
    const std::int64_t first = offsets[leaf] + begin;
    const std::int64_t last = offsets[leaf] + end;
    if (runs.empty() || runs.back().file != file_of(leaf) || first > runs.back().end + gap)
      runs.push_back({file_of(leaf), first, first, bytes});
    Run& run = runs.back();
    addresses_[leaf] = run.at + (first - run.begin) - begin;  // in the window, for now
    run.end = std::max(run.end, last);
    bytes = run.at + (run.end - run.begin);
  }

  bytes_ = std::make_unique_for_overwrite<std::byte[]>(static_cast<std::size_t>(bytes));
  std::optional<files::InputFile> file;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Run& run = runs[i];
    if (!file) file.emplace(source.open(run.file));
    file->read(run.begin, {bytes_.get() + run.at, static_cast<std::size_t>(run.end - run.begin)});
    if (i + 1 < runs.size() && runs[i + 1].file == run.file) continue;
    file->check_unchanged();
    file.reset();
  }
  const auto base = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(bytes_.get()));
  for (std::int64_t& address : addresses_) address += base;
}

}  // namespace multibuffer
