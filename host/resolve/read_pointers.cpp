#include "host/resolve/read_pointers.hpp"

#include <multibuffer/error.hpp>

#include "host/resolve/pointer_lists.hpp"
#include "host/support/parallel.hpp"
#include "host/support/rounding.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

// One pass over the tables. As long as pointers are evenly spaced they are only looked at; from
// where they are not, they are listed and what else is to be known of them is found out. Pieces are
// worked on side by side, and what one thread took for evenly spaced is written out afterwards if
// another found that all are not.
//
// Pointers are listed by their places in a window that a sample suggests; if one turns out to be
// outside, all are read once more, as addresses. Nothing of the first reading is used then, so that
// it does not matter if somebody writes to the tables meanwhile.

namespace multibuffer {
namespace {

constexpr std::int64_t chunk_slots = AddressList::most_slots;
constexpr std::int64_t piece_slots = std::int64_t{1} << 16;

using Chunk = std::array<std::int64_t, chunk_slots>;

/// Addresses are compared and moved on as unsigned numbers, which may wrap around.
std::uint64_t number(std::int64_t address) { return static_cast<std::uint64_t>(address); }

class Reader {
 public:
  Reader(const Slots& slots, std::int64_t origin, const Watch& watch)
      : slots_(slots),
        origin_(origin),
        watch_(watch),
        count_(slots.slot_count()),
        even_(look_ahead()),
        is_even_(static_cast<std::size_t>(ceil_divide(count_, piece_slots))) {}

  PointersRead read(Aliases aliases) {
    if (const auto guess = guess_window(slots_)) {
      WindowList list(count_, *guess, aliases);
      if (read_into(list)) {
        if (all_even()) return even_pointers();
        return {std::move(list).distinct(origin_), nullptr};
      }
    }
    AddressList list(count_, std::ssize(is_even_), origin_, aliases);
    read_into(list);
    if (all_even()) return even_pointers();
    if (list.has_null()) return {{}, first_null()};
    return {std::move(list).distinct(), nullptr};
  }

 private:
  bool all_even() const {
    return std::ranges::all_of(is_even_, [](char even) { return even != 0; });
  }

  PointersRead even_pointers() const {
    if (even_has_null()) return {{}, first_null()};
    const std::int64_t step = even_.step();
    const auto first = static_cast<std::int64_t>(number(even_[0]) + number(origin_));
    return {{Sequence::evenly(first, step, step == 0 ? 1 : count_),
             Sequence::evenly(0, step == 0 ? 0 : 1, count_)},
            nullptr};
  }

  static std::int64_t begin_of(std::int64_t piece) { return piece * piece_slots; }
  std::int64_t end_of(std::int64_t piece) const {
    return std::min(count_, (piece + 1) * piece_slots);
  }
  char& is_even(std::int64_t piece) { return is_even_[static_cast<std::size_t>(piece)]; }

  /// Reads all slots; lists all pointers unless all are evenly spaced. Returns false if the list
  /// cannot take them.
  template <class List>
  bool read_into(List& list) {
    std::ranges::fill(is_even_, 1);
    return for_pieces(
               list, [&](std::int64_t piece, int lane) { return read_piece(list, piece, lane); }) &&
           (all_even() || for_pieces(list, [&](std::int64_t piece, int lane) {
              return is_even(piece) == 0 ||
                     list_even(list, piece, lane, begin_of(piece), end_of(piece));
            }));
  }

  /// Calls `work(piece, lane)` for every piece, until it returns false: then returns false. Lanes
  /// are worked on side by side, each takes the next piece that nobody has.
  template <class List, class Work>
  bool for_pieces(const List& list, const Work& work) const {
    std::atomic<std::int64_t> next = 0;
    std::atomic<std::int64_t> done = 0;
    std::atomic<bool> goes_on = true;
    // A lane without a piece of its own would count as work, and threads be made for it.
    const std::int64_t lanes = std::clamp<std::int64_t>(std::ssize(is_even_), 1, list.lanes());
    parallel_for(lanes, (count_ / lanes + 1) * slot_bytes, {},
                 [&](std::int64_t lane, std::int64_t end) {
                   for (; lane < end; ++lane)
                     while (goes_on && !watch_.stop.stop_requested()) {
                       const std::int64_t piece = next++;
                       if (piece >= std::ssize(is_even_)) break;
                       if (!work(piece, static_cast<int>(lane))) goes_on = false;
                       ++done;
                     }
                 });
    if (goes_on && done < std::ssize(is_even_))
      throw Error(Errc::cancelled, "while reading pointer tables");
    return goes_on;
  }

  /// Calls `visit(address, count, index)` for the slots [begin, end), in chunks; until it returns
  /// false.
  template <class Visit>
  void for_chunks(std::int64_t begin, std::int64_t end, Visit&& visit) const {
    const auto& runs = slots_.runs();
    auto run = std::prev(std::ranges::upper_bound(runs, begin, {}, &SlotRun::index));
    for (; begin < end; ++run) {
      const std::int64_t stop = std::min(end, run->index + run->count);
      while (begin < stop) {
        const std::int64_t count = std::min(chunk_slots, stop - begin);
        if (!visit(run->address + (begin - run->index) * slots_.step(), count, begin)) return;
        begin += count;
      }
    }
  }

  /// The sequence that the first two pointers begin.
  Sequence look_ahead() const {
    std::array<std::int64_t, 2> pointers{};
    for_chunks(0, std::min<std::int64_t>(count_, 2),
               [&](const std::byte* slot, std::int64_t count, std::int64_t index) {
                 load_pointers(pointers.data() + index, {slot, count, slots_.step()});
                 return true;
               });
    const std::uint64_t step = count_ < 2 ? 0 : number(pointers[1]) - number(pointers[0]);
    return Sequence::evenly(pointers[0], static_cast<std::int64_t>(step), count_);
  }

  bool continues_even(const Chunk& chunk, std::int64_t count, std::int64_t index) const {
    const std::uint64_t step = number(even_.step());
    std::uint64_t deviation = number(chunk[0]) ^ number(even_[index]);
    for (std::size_t i = 1; i < static_cast<std::size_t>(count); ++i)
      deviation |= number(chunk[i]) - number(chunk[i - 1]) - step;
    return deviation == 0;
  }

  template <class List>
  bool read_piece(List& list, std::int64_t piece, int lane) {
    const std::int64_t begin = begin_of(piece);
    bool fits = true;
    Chunk chunk;
    for_chunks(begin, end_of(piece),
               [&](const std::byte* slot, std::int64_t count, std::int64_t index) {
                 if (is_even(piece) != 0) {
                   load_pointers(chunk.data(), {slot, count, slots_.step()});
                   if (continues_even(chunk, count, index)) return true;
                   is_even(piece) = 0;
                   fits = list_even(list, piece, lane, begin, index);
                 }
                 return fits = fits && list.list(piece, lane, {slot, count, slots_.step()}, index);
               });
    return fits;
  }

  /// Lists what was seen to be evenly spaced, without reading it again.
  template <class List>
  bool list_even(List& list, std::int64_t piece, int lane, std::int64_t begin, std::int64_t end) {
    Chunk chunk;
    while (begin < end) {
      const std::int64_t count = std::min(chunk_slots, end - begin);
      for (std::int64_t i = 0; i < count; ++i)
        chunk[static_cast<std::size_t>(i)] = even_[begin + i];
      if (!list.list(piece, lane, {std::as_bytes(std::span(chunk)).data(), count, slot_bytes},
                     begin))
        return false;
      begin += count;
    }
    return true;
  }

  /// Whether NULL is among the evenly spaced pointers.
  bool even_has_null() const {
    const std::uint64_t step = number(even_.step());
    if (step == 0) return even_[0] == 0;
    // From the end that is nearer to 0, along the sequence or against it.
    for (const auto& [distance, stride] :
         {std::pair{-number(even_[0]), step}, std::pair{number(even_[0]), -step}})
      if (distance % stride == 0 && distance / stride < number(count_)) return true;
    return false;
  }

  const std::byte* first_null() const {
    for (const SlotRun& run : slots_.runs()) {
      for (std::int64_t i = 0; i < run.count; ++i) {
        const std::byte* slot = run.address + i * slots_.step();
        const std::byte* pointer = nullptr;
        std::memcpy(&pointer, slot, sizeof pointer);
        if (!pointer) return slot;
      }
    }
    return slots_.runs()[0].address;  // somebody has written to the tables meanwhile
  }

  const Slots& slots_;
  std::int64_t origin_;
  const Watch& watch_;
  std::int64_t count_;
  Sequence even_;              ///< the pointers that would be there if all were evenly spaced
  std::vector<char> is_even_;  ///< by piece; not of bits, since threads write to it
};

}  // namespace

PointersRead read_pointers(const Slots& slots, std::int64_t origin, Aliases aliases,
                           const Watch& watch) {
  return Reader(slots, origin, watch).read(aliases);
}

}  // namespace multibuffer
