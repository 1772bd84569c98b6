#include "read_pointers.hpp"

#include "parallel.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

// One pass over the tables. As long as pointers are evenly spaced they are only looked at; from
// where they are not, they are copied and what else is to be known of them is found out, a chunk
// at a time that stays in the first-level cache. Pieces are worked on side by side, and what one
// thread took for evenly spaced is written out afterwards if another found that all are not.

namespace multibuffer {
namespace {

constexpr std::int64_t chunk_slots = 1024;
constexpr std::int64_t piece_slots = std::int64_t{1} << 16;
constexpr auto slot_bytes = static_cast<std::int64_t>(sizeof(void*));

using Chunk = std::array<std::int64_t, chunk_slots>;

/// `count` pointers whose slots lie `Step` bytes apart, or any distance (Step = 0).
template <std::int64_t Step>
void load_slots(std::int64_t* out, const std::byte* slot, std::int64_t count, std::int64_t step) {
  if constexpr (Step != 0) step = Step;
  // Slots may lie at any address.
  for (std::int64_t i = 0; i < count; ++i) std::memcpy(out + i, slot + i * step, sizeof *out);
}

/// Addresses are compared and moved on as unsigned numbers, which may wrap around.
std::uint64_t number(std::int64_t address) { return static_cast<std::uint64_t>(address); }

class Reader {
 public:
  Reader(const Slots& slots, std::int64_t origin)
      : slots_(slots), origin_(origin), count_(slots.slot_count()), even_(look_ahead()) {}

  PointersRead read(Aliases aliases, const Watch& watch) {
    const std::int64_t pieces = (count_ + piece_slots - 1) / piece_slots;
    pieces_.resize(static_cast<std::size_t>(pieces));
    addresses_.resize(static_cast<std::size_t>(count_));
    for_pieces(watch, [&](std::int64_t piece) { read_piece(piece); });
    if (std::ranges::all_of(pieces_, &Piece::is_even)) {
      if (even_has_null()) return {{}, first_null()};
      const std::int64_t step = even_.step();
      return {{Sequence::evenly(moved_on(even_[0]), step, step == 0 ? 1 : count_),
               Sequence::evenly(0, step == 0 ? 0 : 1, count_)},
              nullptr};
    }
    for_pieces(watch, [&](std::int64_t piece) {
      if (at(piece).is_even) list_even(at(piece), begin_of(piece), end_of(piece));
    });
    AddressFacts facts;
    for (const Piece& piece : pieces_) facts.append(piece.facts);
    if (facts.least == 0) return {{}, first_null()};
    if (aliases == Aliases::ignored)
      return {{Sequence::listed(std::move(addresses_)), Sequence::evenly(0, 1, count_)}, nullptr};
    facts.move(origin_);
    return {number_distinct(std::move(addresses_), facts), nullptr};
  }

 private:
  struct Piece {
    AddressFacts facts;  ///< of the pointers listed so far, as they were read
    bool is_even = true;
  };

  std::int64_t moved_on(std::int64_t address) const {
    return static_cast<std::int64_t>(number(address) + number(origin_));
  }

  Piece& at(std::int64_t piece) { return pieces_[static_cast<std::size_t>(piece)]; }
  static std::int64_t begin_of(std::int64_t piece) { return piece * piece_slots; }
  std::int64_t end_of(std::int64_t piece) const {
    return std::min(count_, (piece + 1) * piece_slots);
  }

  template <class Work>
  void for_pieces(const Watch& watch, Work&& work) {
    parallel_for(
        static_cast<std::int64_t>(pieces_.size()), piece_slots * slot_bytes, {watch.stop, {}},
        [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t piece = begin; piece < end; ++piece) work(piece);
        },
        "reading pointer tables");
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

  void load(Chunk& chunk, const std::byte* slot, std::int64_t count) const {
    if (slots_.step() == slot_bytes) {
      load_slots<slot_bytes>(chunk.data(), slot, count, 0);
    } else {
      load_slots<0>(chunk.data(), slot, count, slots_.step());
    }
  }

  /// The sequence that the first two pointers begin.
  Sequence look_ahead() const {
    std::array<std::int64_t, 2> pointers{};
    for_chunks(0, std::min<std::int64_t>(count_, 2),
               [&](const std::byte* slot, std::int64_t count, std::int64_t index) {
                 for (std::int64_t i = 0; i < count; ++i)
                   std::memcpy(&pointers[static_cast<std::size_t>(index + i)],
                               slot + i * slots_.step(), sizeof pointers[0]);
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

  void read_piece(std::int64_t number) {
    Piece& piece = at(number);
    const std::int64_t begin = begin_of(number);
    Chunk chunk;
    for_chunks(begin, end_of(number),
               [&](const std::byte* slot, std::int64_t count, std::int64_t index) {
                 load(chunk, slot, count);
                 if (piece.is_even && !continues_even(chunk, count, index)) {
                   piece.is_even = false;
                   list_even(piece, begin, index);
                 }
                 if (!piece.is_even) list(piece, chunk, count, index);
                 return true;
               });
  }

  void list(Piece& piece, const Chunk& chunk, std::int64_t count, std::int64_t index) {
    piece.facts.add(std::span(chunk).first(static_cast<std::size_t>(count)));
    std::int64_t* out = addresses_.data() + index;
    for (std::int64_t i = 0; i < count; ++i) out[i] = moved_on(chunk[static_cast<std::size_t>(i)]);
  }

  /// Lists what was seen to be evenly spaced, without reading it again.
  void list_even(Piece& piece, std::int64_t begin, std::int64_t end) {
    Chunk chunk;
    while (begin < end) {
      const std::int64_t count = std::min(chunk_slots, end - begin);
      for (std::int64_t i = 0; i < count; ++i)
        chunk[static_cast<std::size_t>(i)] = even_[begin + i];
      list(piece, chunk, count, begin);
      begin += count;
    }
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
  std::int64_t count_;
  Sequence even_;  ///< the pointers that would be there if all were evenly spaced
  std::vector<Piece> pieces_;
  LargeVector<std::int64_t> addresses_;
};

}  // namespace

PointersRead read_pointers(const Slots& slots, std::int64_t origin, Aliases aliases,
                           const Watch& watch) {
  return Reader(slots, origin).read(aliases, watch);
}

}  // namespace multibuffer
