#include "host/resolve/pointer_lists.hpp"

#include "host/bytes/simd.hpp"
#include "host/resolve/sequence_ops.hpp"
#include "host/support/index_of.hpp"
#include "host/support/parallel.hpp"
#include "host/support/prefetch.hpp"
#include "host/support/threshold.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <span>
#include <utility>

namespace multibuffer {
namespace {

std::uint64_t load_pointer(const std::byte* slot) {
  std::uint64_t pointer = 0;
  std::memcpy(&pointer, slot, sizeof pointer);  // slots may lie at any address
  return pointer;
}

/// A lane's bitmap. A window offset is hashed to a bit: itself modulo the bitmap's size.
struct LaneBitmap {
  std::uint64_t* words = nullptr;
  std::uint32_t last_bit = 0;
  void set(std::uint32_t offset) const {
    const std::uint32_t bit = offset & last_bit;
    words[bit / 64] |= std::uint64_t{1} << (bit % 64);
  }
};

/// Writes the window offsets of the pointers in `slots`, which lie `Step` bytes apart, or any
/// distance (Step = 0), and sets their bits (SetBits). Returns true if all are in the window.
///
/// Bits are set without being read, so that no step waits for another. The table is prefetched,
/// because the processor is slow to do so by itself while it is busy with bits.
template <std::int64_t Step, bool SetBits>
bool list_offsets(std::uint32_t* out, SlotRange slots, Window window, LaneBitmap bitmap) {
  constexpr std::int64_t block = 8;
  using Pointers [[gnu::vector_size(block * sizeof(std::uint64_t))]] = std::uint64_t;
  using Offsets [[gnu::vector_size(block * sizeof(std::uint32_t))]] = std::uint32_t;
  constexpr std::int64_t bytes_ahead = 1024;
  const std::int64_t step = Step != 0 ? Step : slots.step;
  Pointers distances{};  // bitwise or of all
  std::int64_t i = 0;
  for (; i + block <= slots.count; i += block) {
    const std::byte* const slot = slots.address + i * step;
    Pointers pointers;
    if constexpr (Step == slot_bytes) {
      prefetch_from(slot, bytes_ahead);  // which may lie past the table
      std::memcpy(&pointers, slot, sizeof pointers);
    } else {
      for (int j = 0; j < block; ++j) pointers[j] = load_pointer(slot + j * step);
    }
    pointers -= window.base;
    distances |= pointers;
    const Offsets offsets = __builtin_convertvector(pointers >> window.shift, Offsets);
    std::memcpy(out + i, &offsets, sizeof offsets);
    if constexpr (SetBits) {
      for (std::int64_t j = 0; j < block; ++j) bitmap.set(out[i + j]);
      // GCC 12 would carry the eight words along, to store them once more after the loop.
      std::atomic_signal_fence(std::memory_order_acq_rel);
    }
  }
  std::uint64_t all = 0;
  for (int j = 0; j < block; ++j) all |= distances[j];
  for (; i < slots.count; ++i) {
    const std::uint64_t distance = load_pointer(slots.address + i * step) - window.base;
    all |= distance;
    out[i] = static_cast<std::uint32_t>(distance >> window.shift);
    if constexpr (SetBits) bitmap.set(out[i]);
  }
  const std::uint64_t inside = std::uint64_t{0xffff'ffff} << window.shift;
  return (all & ~inside) == 0;
}

bool list_any_offsets(std::uint32_t* out, const SlotRange& slots, const Window& window,
                      const LaneBitmap& bitmap) {
  if (slots.step != slot_bytes)
    return bitmap.words ? list_offsets<0, true>(out, slots, window, bitmap)
                        : list_offsets<0, false>(out, slots, window, bitmap);
  return bitmap.words ? list_offsets<slot_bytes, true>(out, slots, window, bitmap)
                      : list_offsets<slot_bytes, false>(out, slots, window, bitmap);
}
MULTIBUFFER_WIDE bool list_any_offsets_wide(std::uint32_t* out, const SlotRange& slots,
                                            const Window& window, const LaneBitmap& bitmap) {
  return list_any_offsets(out, slots, window, bitmap);
}

/// Counts the bits that are set in any of `lanes` bitmaps of `words` words.
std::int64_t count_bits(std::span<const std::uint64_t* const> lanes, std::size_t words) {
  std::int64_t count = 0;
  for (std::size_t w = 0; w < words; ++w) {
    std::uint64_t any = 0;
    for (const std::uint64_t* lane : lanes) any |= lane[w];
    count += std::popcount(any);
  }
  return count;
}
MULTIBUFFER_WIDE std::int64_t count_bitmaps_wide(std::span<const std::uint64_t* const> lanes,
                                                 std::size_t words) {
  return count_bits(lanes, words);
}

/// Returns the facts of a sample: the first pointers, which mostly show the unit, and others from
/// the whole table.
AddressFacts sample(const Slots& slots) {
  constexpr Threshold neighbours{64, 1};
  constexpr Threshold scattered{256, 2};
  const std::int64_t count = slots.slot_count();
  std::vector<std::int64_t> found;
  auto run = slots.runs().begin();
  const auto look_at = [&](std::int64_t index) {
    while (index >= run->index + run->count) ++run;
    found.push_back(static_cast<std::int64_t>(
        load_pointer(run->address + (index - run->index) * slots.step())));
  };
  const std::int64_t first = std::min<std::int64_t>(count, neighbours);
  for (std::int64_t i = 0; i < first; ++i) look_at(i);
  const std::int64_t apart = std::max<std::int64_t>(1, (count - first) / scattered);
  for (std::int64_t i = first; i < count; i += apart) look_at(i);
  AddressFacts facts;
  facts.add(found);
  return facts;
}

}  // namespace

std::optional<WindowGuess> guess_window(const Slots& slots) {
  constexpr std::uint64_t window_size = std::uint64_t{1} << 32;
  constexpr int most_shift = 16;
  const AddressFacts facts = sample(slots);
  const int shift =
      facts.differences == 0 ? 0 : std::min(most_shift, std::countr_zero(facts.differences));
  const std::uint64_t span = ((facts.most - facts.least) >> shift) + 1;
  if (span > window_size) return std::nullopt;

  // The sample lies in the middle of the window, as far as addresses allow; the base is above 0, so
  // that NULL is outside.
  const std::uint64_t unit = std::uint64_t{1} << shift;
  const std::uint64_t lowest = facts.least % unit == 0 ? unit : facts.least % unit;
  const std::uint64_t highest = ~std::uint64_t{0} - (window_size << shift) + 1 + facts.least % unit;
  const std::uint64_t below = (window_size - span) / 2 << shift;
  const std::uint64_t base = facts.least < lowest + below ? lowest : facts.least - below;
  return WindowGuess{{std::min(base, highest), shift}, span};
}

WindowList::WindowList(std::int64_t count, const WindowGuess& guess, Aliases aliases)
    : window_(guess.window), aliases_(aliases), lanes_(thread_count()), offsets_(index_of(count)) {
  if (aliases == Aliases::ignored) return;
  // The bitmap has room for pointers that the sample did not see at either end.
  constexpr Threshold worth_a_bitmap{4096, 64};
  const auto least_bits = static_cast<std::uint64_t>(std::int64_t{worth_a_bitmap});
  const std::uint64_t bits = std::bit_ceil(std::max(least_bits, guess.span + guess.span / 8));
  const std::uint64_t words = bits / 64;
  if (words > std::max<std::uint64_t>(offsets_.size(), least_bits / 64)) return;
  if (bits > std::uint64_t{1} << 32) return;
  words_ = static_cast<std::size_t>(words);
  lanes_ = static_cast<int>(
      std::clamp<std::size_t>(offsets_.size() / words_, 1, static_cast<std::size_t>(lanes_)));
  bitmaps_.resize(words_ * static_cast<std::size_t>(lanes_));
  in_use_.resize(static_cast<std::size_t>(lanes_));
}

bool WindowList::list(std::int64_t /*piece*/, int lane, const SlotRange& slots,
                      std::int64_t index) {
  static const auto list_slots = has_wide_vectors() ? list_any_offsets_wide : list_any_offsets;
  LaneBitmap bitmap;
  if (words_ != 0) {
    const auto at = static_cast<std::size_t>(lane);
    bitmap = {bitmaps_.data() + at * words_, static_cast<std::uint32_t>(words_ * 64 - 1)};
    if (in_use_[at] == 0) std::fill_n(bitmap.words, words_, 0);
    in_use_[at] = 1;
  }
  return list_slots(offsets_.data() + index, slots, window_, bitmap);
}

bool WindowList::are_surely_distinct() const {
  static const auto count = has_wide_vectors() ? count_bitmaps_wide : count_bits;
  std::vector<const std::uint64_t*> used;
  for (std::size_t lane = 0; lane < in_use_.size(); ++lane)
    if (in_use_[lane] != 0) used.push_back(bitmaps_.data() + lane * words_);
  return words_ != 0 && count(used, words_) == static_cast<std::int64_t>(offsets_.size());
}

Distinct WindowList::distinct(std::int64_t origin) && {
  const bool are_distinct = aliases_ == Aliases::ignored || are_surely_distinct();
  bitmaps_ = {};
  const auto count = static_cast<std::int64_t>(offsets_.size());
  Distinct found = are_distinct
                       ? Distinct{list_of(std::move(offsets_)), Sequence::affine(0, 1, count)}
                       : assign_ids(std::move(offsets_));
  const std::uint64_t first = window_.base + static_cast<std::uint64_t>(origin);
  found.addresses =
      *found.addresses.scaled(static_cast<std::int64_t>(first), std::int64_t{1} << window_.shift);
  return found;
}

AddressList::AddressList(std::int64_t count, std::int64_t pieces, std::int64_t origin,
                         Aliases aliases)
    : origin_(origin), aliases_(aliases), facts_(index_of(pieces)), addresses_(index_of(count)) {}

int AddressList::lanes() const { return thread_count(); }

bool AddressList::list(std::int64_t piece, int /*lane*/, const SlotRange& slots,
                       std::int64_t index) {
  std::array<std::int64_t, most_slots> chunk;
  load_pointers(chunk.data(), slots);
  facts_[index_of(piece)].add(std::span(chunk).first(index_of(slots.count)));
  std::int64_t* out = addresses_.data() + index;
  for (std::int64_t i = 0; i < slots.count; ++i)
    out[i] = static_cast<std::int64_t>(static_cast<std::uint64_t>(chunk[index_of(i)]) +
                                       static_cast<std::uint64_t>(origin_));
  return true;
}

bool AddressList::has_null() const {
  return std::ranges::any_of(facts_, [](const AddressFacts& facts) { return facts.least == 0; });
}

Distinct AddressList::distinct() && {
  const auto count = static_cast<std::int64_t>(addresses_.size());
  if (aliases_ == Aliases::ignored)
    return {list_of(std::move(addresses_)), Sequence::affine(0, 1, count)};
  AddressFacts all;
  for (const AddressFacts& facts : facts_) all.append(facts);
  all.move(origin_);
  return assign_ids(std::move(addresses_), all);
}

}  // namespace multibuffer
