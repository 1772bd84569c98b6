#include "host/resolve/read_pointers.hpp"

#include <multibuffer/error.hpp>

#include "host/resolve/pointer_lists.hpp"
#include "host/support/parallel.hpp"
#include "host/support/rounding.hpp"
#include "host/support/text.hpp"
#include "host/support/threshold.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

// Reads the tables in one pass. While pointers are affine (each a constant step from the one
// before) they are compared and not written; from the first that is not, they are listed. Threads
// work on pieces in parallel; pieces that were affine are written out afterwards if others were
// not.
//
// Pointers are listed by their offsets in a window that a sample suggests. If one lies outside, all
// are read again, as addresses, and the first pass is discarded; so it does no harm if somebody
// writes to the tables meanwhile.

namespace multibuffer {
namespace {

constexpr std::int64_t chunk_slots = AddressList::most_slots;
constexpr Threshold piece_slots{std::int64_t{1} << 16, 20};

using Chunk = std::array<std::int64_t, chunk_slots>;

/// Addresses are compared and added as unsigned integers, which may wrap around.
std::uint64_t to_unsigned(std::int64_t address) { return static_cast<std::uint64_t>(address); }

class Reader {
 public:
  Reader(const Slots& slots, std::int64_t origin, const Watch& watch)
      : slots_(slots),
        origin_(origin),
        watch_(watch),
        count_(slots.slot_count()),
        affine_(look_ahead()),
        is_affine_(static_cast<std::size_t>(ceil_divide<std::int64_t>(count_, piece_slots))) {}

  PointersRead read(Aliases aliases) {
    if (const auto guess = guess_window(slots_)) {
      WindowList list(count_, *guess, aliases);
      if (read_into(list)) {
        if (all_affine()) return affine_pointers();
        return {std::move(list).distinct(origin_), nullptr};
      }
    }
    AddressList list(count_, std::ssize(is_affine_), origin_, aliases);
    read_into(list);
    if (all_affine()) return affine_pointers();
    if (list.has_null()) return {{}, first_null()};
    return {std::move(list).distinct(), nullptr};
  }

 private:
  bool all_affine() const {
    return std::ranges::all_of(is_affine_, [](char affine) { return affine != 0; });
  }

  PointersRead affine_pointers() const {
    if (affine_has_null()) return {{}, first_null()};
    const std::int64_t step = affine_.step();
    const auto first = static_cast<std::int64_t>(to_unsigned(affine_[0]) + to_unsigned(origin_));
    return {{Sequence::affine(first, step, step == 0 ? 1 : count_),
             Sequence::affine(0, step == 0 ? 0 : 1, count_)},
            nullptr};
  }

  static std::int64_t begin_of(std::int64_t piece) { return piece * piece_slots; }
  std::int64_t end_of(std::int64_t piece) const {
    return std::min(count_, (piece + 1) * piece_slots);
  }
  char& is_affine(std::int64_t piece) { return is_affine_[static_cast<std::size_t>(piece)]; }

  /// Reads all slots, and lists all pointers unless all are affine. Returns false if the list
  /// cannot take them.
  template <class List>
  bool read_into(List& list) {
    std::ranges::fill(is_affine_, 1);
    return for_pieces(
               list, [&](std::int64_t piece, int lane) { return read_piece(list, piece, lane); }) &&
           (all_affine() || for_pieces(list, [&](std::int64_t piece, int lane) {
              return is_affine(piece) == 0 ||
                     list_affine(list, piece, lane, begin_of(piece), end_of(piece));
            }));
  }

  /// Calls `work(piece, lane)` for every piece, until one returns false; then returns false. Lanes
  /// run in parallel, and each takes the next piece that no other has.
  template <class List, class Work>
  bool for_pieces(const List& list, const Work& work) const {
    std::atomic<std::int64_t> next = 0;
    std::atomic<std::int64_t> done = 0;
    std::atomic<bool> keeps_on = true;
    // No more lanes than pieces: a lane without one would count as work and get a thread.
    const std::int64_t lanes = std::clamp<std::int64_t>(std::ssize(is_affine_), 1, list.lanes());
    parallel_for(lanes, (count_ / lanes + 1) * slot_bytes, {},
                 [&](std::int64_t lane, std::int64_t end) {
                   for (; lane < end; ++lane)
                     while (keeps_on && !watch_.stop.stop_requested()) {
                       const std::int64_t piece = next++;
                       if (piece >= std::ssize(is_affine_)) break;
                       if (!work(piece, static_cast<int>(lane))) keeps_on = false;
                       ++done;
                     }
                 });
    if (keeps_on && done < std::ssize(is_affine_))
      throw Failure(Errc::cancelled, "while reading pointer tables");
    return keeps_on;
  }

  /// Calls `visit(address, count, index)` for chunks of the slots [begin, end), until it returns
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

  /// Returns the affine sequence that the first two pointers begin.
  Sequence look_ahead() const {
    std::array<std::int64_t, 2> pointers{};
    for_chunks(0, std::min<std::int64_t>(count_, 2),
               [&](const std::byte* slot, std::int64_t count, std::int64_t index) {
                 load_pointers(pointers.data() + index, {slot, count, slots_.step()});
                 return true;
               });
    const std::uint64_t step = count_ < 2 ? 0 : to_unsigned(pointers[1]) - to_unsigned(pointers[0]);
    return Sequence::affine(pointers[0], static_cast<std::int64_t>(step), count_);
  }

  bool continues_affine(const Chunk& chunk, std::int64_t count, std::int64_t index) const {
    const std::uint64_t step = to_unsigned(affine_.step());
    std::uint64_t deviation = to_unsigned(chunk[0]) ^ to_unsigned(affine_[index]);
    for (std::size_t i = 1; i < static_cast<std::size_t>(count); ++i)
      deviation |= to_unsigned(chunk[i]) - to_unsigned(chunk[i - 1]) - step;
    return deviation == 0;
  }

  template <class List>
  bool read_piece(List& list, std::int64_t piece, int lane) {
    const std::int64_t begin = begin_of(piece);
    bool fits = true;
    Chunk chunk;
    for_chunks(begin, end_of(piece),
               [&](const std::byte* slot, std::int64_t count, std::int64_t index) {
                 if (is_affine(piece) != 0) {
                   load_pointers(chunk.data(), {slot, count, slots_.step()});
                   if (continues_affine(chunk, count, index)) return true;
                   is_affine(piece) = 0;
                   fits = list_affine(list, piece, lane, begin, index);
                 }
                 return fits = fits && list.list(piece, lane, {slot, count, slots_.step()}, index);
               });
    return fits;
  }

  /// Lists pointers that were found to be affine, without reading them again.
  template <class List>
  bool list_affine(List& list, std::int64_t piece, int lane, std::int64_t begin, std::int64_t end) {
    Chunk chunk;
    while (begin < end) {
      const std::int64_t count = std::min(chunk_slots, end - begin);
      for (std::int64_t i = 0; i < count; ++i)
        chunk[static_cast<std::size_t>(i)] = affine_[begin + i];
      if (!list.list(piece, lane, {std::as_bytes(std::span(chunk)).data(), count, slot_bytes},
                     begin))
        return false;
      begin += count;
    }
    return true;
  }

  /// Returns true if NULL is among the affine pointers.
  bool affine_has_null() const {
    const std::uint64_t step = to_unsigned(affine_.step());
    if (step == 0) return affine_[0] == 0;
    // Steps from the first pointer to 0, along the sequence or against it.
    for (const auto& [distance, stride] :
         {std::pair{-to_unsigned(affine_[0]), step}, std::pair{to_unsigned(affine_[0]), -step}})
      if (distance % stride == 0 && distance / stride < to_unsigned(count_)) return true;
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
  Sequence affine_;              ///< the pointers that would be there if all were affine
  std::vector<char> is_affine_;  ///< by piece; not a vector of bits, since threads write to it
};

}  // namespace

PointersRead read_pointers(const Slots& slots, std::int64_t origin, Aliases aliases,
                           const Watch& watch) {
  return Reader(slots, origin, watch).read(aliases);
}

}  // namespace multibuffer
