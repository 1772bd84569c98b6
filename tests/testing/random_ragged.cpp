#include "tests/testing/random_ragged.hpp"

#include "host/support/text.hpp"
#include "tests/testing/number_samples.hpp"

#include <algorithm>
#include <bit>
#include <span>

namespace multibuffer::testing {
namespace {

/// From 1 to `most`, small ones as likely as large ones.
std::int64_t log_uniform(Random& random, std::int64_t most) {
  const auto bits = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(most)));
  const std::int64_t top = std::int64_t{1} << random.between(0, bits - 1);
  return std::min(most, random.between(top, 2 * top - 1));
}

constexpr std::int64_t most_rows = 1000;
constexpr std::int64_t most_items = 5000;
constexpr std::int64_t most_item_bytes = 48;

}  // namespace

RandomRagged::RandomRagged(Random& random, std::int64_t most_bytes)
    : memory_(std::make_unique<TestMemory>(random.chance(40) ? MemoryMode::guarded
                                                             : MemoryMode::ordinary)) {
  choose_item(random);
  const std::int64_t bytes = log_uniform(random, most_bytes);
  const std::int64_t rows = random.chance(5) ? 0 : log_uniform(random, most_rows);
  const std::int64_t mean = bytes / std::max<std::int64_t>(rows * item_bytes_, 1);
  enum class Lengths { uniform, skewed, equal };
  const Lengths lengths = random.pick({Lengths::uniform, Lengths::skewed, Lengths::equal});
  for (std::int64_t row = 0; row < rows; ++row) {
    std::int64_t length = mean;
    if (lengths == Lengths::uniform) length = random.between(std::int64_t{0}, 2 * mean);
    if (lengths == Lengths::skewed) length = mean / log_uniform(random, 64) * random.between(1, 3);
    if (random.chance(8)) length = 0;
    if (random.chance(4)) length = random.between(1, 3);
    add_row(random, *memory_, std::min(length, most_items));
  }
}

void RandomRagged::choose_item(Random& random) {
  // Every number, structs, and bytes of any size.
  const int kind = random.between(0, 9);
  if (kind < 7) {
    const auto& numbers = number_formats();
    format_ = numbers[static_cast<std::size_t>(random.next() % numbers.size())];
  } else if (kind == 7) {
    format_ = random.pick<bool>({true, false}) ? Format("T{<i:a:<2h:b:}", 8)
                                               : Format("T{b:a:3x<f:x:(2)<d:y:}", 24);
  } else {
    const std::int64_t size = random.between(std::int64_t{1}, most_item_bytes);
    format_ = Format(std::to_string(size) + "s", size);
  }
  item_bytes_ = format_.itemsize();
  for (int axes = random.pick({0, 0, 0, 1, 2}); axes > 0; --axes) {
    const std::int64_t extent = random.chance(3) ? 0 : random.between(1, 4);
    if (item_bytes_ * extent > most_item_bytes) break;
    item_shape_.push_back(extent);
    item_bytes_ *= extent;
  }
}

void RandomRagged::add_row(Random& random, TestMemory& memory, std::int64_t length) {
  lengths_.push_back(length);
  if (length * item_bytes_ == 0) {
    const auto nowhere = random.pick<std::uintptr_t>({0, 1, 0x1000});
    starts_.push_back(reinterpret_cast<const std::byte*>(nowhere));
    return;
  }
  if (starts_.size() > 1 && random.chance(15)) {
    // A row that is there, or a part of it from any byte on.
    const auto other = static_cast<std::size_t>(
        random.between(std::int64_t{0}, static_cast<std::int64_t>(starts_.size()) - 2));
    const std::int64_t bytes = lengths_[other] * item_bytes_;
    const std::int64_t skip = random.chance(50) ? 0 : random.between(std::int64_t{0}, bytes);
    lengths_.back() = std::min(length, (bytes - skip) / item_bytes_);
    starts_.push_back(lengths_.back() == 0 ? nullptr : starts_[other] + skip);
    return;
  }
  std::byte* const start = memory.allocate(random, length * item_bytes_);
  random.fill({start, static_cast<std::size_t>(length * item_bytes_)});
  starts_.push_back(start);
}

RaggedView RandomRagged::view() const {
  return RaggedView(starts_, lengths_, format_, item_shape_);
}

std::string RandomRagged::describe() const {
  return text(rows(), " rows, items of shape ", tuple_text(item_shape_), " of '", format_.text(),
              "', lengths ",
              tuple_text(std::span(lengths_).first(std::min<std::size_t>(lengths_.size(), 20))));
}

RandomRows::RandomRows(Random& random, std::int64_t rows, std::int64_t most) {
  rows_.mode = random.pick({IndexMode::raise, IndexMode::clip, IndexMode::wrap});
  if (random.chance(30)) return;
  std::vector<std::int64_t>& indices = rows_.indices.emplace();
  if (rows == 0) return;
  const std::int64_t beyond = rows_.mode == IndexMode::raise ? 0 : 3 * rows;
  const std::int64_t count = random.chance(5) ? 0 : log_uniform(random, most);
  for (std::int64_t i = 0; i < count; ++i)
    indices.push_back(random.between(-rows - beyond, rows - 1 + beyond));
  if (random.chance(50)) narrow_.emplace(indices.begin(), indices.end());
}

RowSelection RandomRows::selection() const {
  RowSelection selection;
  selection.mode = rows_.mode;
  if (narrow_)
    selection.indices.emplace(std::span<const std::int32_t>(*narrow_));
  else if (rows_.indices)
    selection.indices.emplace(std::span<const std::int64_t>(*rows_.indices));
  return selection;
}

std::string RandomRows::describe() const {
  if (!rows_.indices) return "all rows";
  return text(rows_.indices->size(), " rows by mode ", static_cast<int>(rows_.mode));
}

}  // namespace multibuffer::testing
