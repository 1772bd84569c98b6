#pragma once

#include <multibuffer/stages/resolve.hpp>

#include "host/resolve/distinct.hpp"
#include "host/resolve/slots.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>
#include <vector>

// The two forms in which a level's pointers are listed. Mostly they lie close enough together for
// 32 bits each, and then the same pass finds out whether any repeats:
//
//     slots ──► WindowList: (pointer - window) / unit, and a bit each ──► Distinct
//       └─────► AddressList: pointers as they are, and their facts ─────► Distinct
//
// Windows and sizes of bitmaps are guessed from a sample. A wrong guess costs time and nothing
// else: a pointer outside of the window is noticed, and pointers for which as many bits are set as
// there are pointers are distinct, however they were mapped to bits.

namespace multibuffer {

inline constexpr auto slot_bytes = static_cast<std::int64_t>(sizeof(void*));

/// Slots that lie `step` bytes apart.
struct SlotRange {
  const std::byte* address = nullptr;
  std::int64_t count = 0;
  std::int64_t step = 0;
};
/// Reads the pointers in them, each once. Slots may lie at any address.
inline void load_pointers(std::int64_t* out, const SlotRange& slots) {
  const auto load = [&](auto step) {
    for (std::int64_t i = 0; i < slots.count; ++i)
      std::memcpy(out + i, slots.address + i * step, sizeof *out);
  };
  // A step that the compiler knows makes vectors of the loop.
  if (slots.step == slot_bytes)
    load(std::integral_constant<std::int64_t, slot_bytes>());
  else
    load(slots.step);
}

/// 2^32 places, 2^shift bytes apart, from `base` on. NULL is none of them.
struct Window {
  std::uint64_t base = 0;
  int shift = 0;
};

/// What a sample of pointers tells: a window around them all, if there is one, and how many places
/// they span.
struct WindowGuess {
  Window window;
  std::uint64_t span = 1;
};
std::optional<WindowGuess> guess_window(const Slots& slots);

/// Pointers by their place in a window: four bytes each, and while they are read bitmaps of at most
/// eight bytes a pointer, all together.
class WindowList {
 public:
  WindowList(std::int64_t count, const WindowGuess& guess, Aliases aliases);

  /// How many threads may list at a time, each with a lane of its own.
  int lanes() const { return lanes_; }
  /// Lists the pointers in `slots` from `index` on. Returns false if one is outside of the window;
  /// then this list is of no use.
  bool list(std::int64_t piece, int lane, const SlotRange& slots, std::int64_t index);
  /// The pointers listed, moved on by `origin`.
  Distinct distinct(std::int64_t origin) &&;

 private:
  bool are_surely_distinct() const;

  Window window_;
  Aliases aliases_;
  std::size_t words_ = 0;  ///< of a lane's bitmap; 0: no bitmaps
  int lanes_;
  LargeVector<std::uint64_t> marks_;  ///< of all lanes; a power of two of bits each
  std::vector<char> in_use_;          ///< by lane: whether its bitmap is; first touched then
  LargeVector<std::uint32_t> places_;
};

/// Pointers wherever they lie: eight bytes each.
class AddressList {
 public:
  AddressList(std::int64_t count, std::int64_t pieces, std::int64_t origin, Aliases aliases);
  int lanes() const;
  /// Lists the pointers in `slots`, moved on by the origin, from `index` on; at most `most_slots`.
  bool list(std::int64_t piece, int lane, const SlotRange& slots, std::int64_t index);
  /// Whether NULL was among them.
  bool has_null() const;
  Distinct distinct() &&;

  static constexpr std::int64_t most_slots = 1024;

 private:
  std::int64_t origin_;
  Aliases aliases_;
  std::vector<AddressFacts> facts_;  ///< by piece, of the pointers as they were read
  LargeVector<std::int64_t> addresses_;
};

}  // namespace multibuffer
