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

// A level's pointers are listed in one of two encodings. They mostly lie close enough together for
// a frame of reference of 32-bit offsets; the same pass then finds out whether any repeats:
//
//     slots ──► WindowList: (pointer - base) >> shift, and a bit each ──► Distinct
//       └─────► AddressList: pointers as they are, and their facts ─────► Distinct
//
// The window and the size of the bitmaps are guessed from a sample. A wrong guess costs time only:
// pointers outside the window are detected, and a bitmap with as many bits set as there are
// pointers proves them distinct, whatever the hash.

namespace multibuffer {

inline constexpr auto slot_bytes = static_cast<std::int64_t>(sizeof(void*));

/// `count` slots that lie `step` bytes apart.
struct SlotRange {
  const std::byte* address = nullptr;
  std::int64_t count = 0;
  std::int64_t step = 0;
};
/// Reads the pointer in each slot once. Slots may lie at any address.
inline void load_pointers(std::int64_t* out, const SlotRange& slots) {
  const auto load = [&](auto step) {
    for (std::int64_t i = 0; i < slots.count; ++i)
      std::memcpy(out + i, slots.address + i * step, sizeof *out);
  };
  // With a step that the compiler knows, it vectorises the loop.
  if (slots.step == slot_bytes)
    load(std::integral_constant<std::int64_t, slot_bytes>());
  else
    load(slots.step);
}

/// A frame of reference for pointers: 2^32 addresses, 2^shift bytes apart, from `base` on. NULL is
/// none of them.
struct Window {
  std::uint64_t base = 0;
  int shift = 0;
};

/// A window around all pointers of a sample, and how many of its addresses they span.
struct WindowGuess {
  Window window;
  std::uint64_t span = 1;
};
/// Looks at a sample of the pointers; returns nothing if no window has all of them.
std::optional<WindowGuess> guess_window(const Slots& slots);

/// Lists pointers by their offset in a window, in four bytes each. While they are read, the bitmaps
/// of all lanes take at most eight bytes a pointer.
class WindowList {
 public:
  WindowList(std::int64_t count, const WindowGuess& guess, Aliases aliases);

  /// The number of threads that may list at a time, each with a lane of its own.
  int lanes() const { return lanes_; }
  /// Lists the pointers in `slots` from `index` on. Returns false if one is outside the window; the
  /// list is then of no use.
  bool list(std::int64_t piece, int lane, const SlotRange& slots, std::int64_t index);
  /// Returns the distinct pointers, with `origin` added to each.
  Distinct distinct(std::int64_t origin) &&;

 private:
  bool are_surely_distinct() const;

  Window window_;
  Aliases aliases_;
  std::size_t words_ = 0;  ///< of a lane's bitmap; 0: no bitmaps
  int lanes_;
  LargeVector<std::uint64_t> bitmaps_;  ///< of all lanes; a power of two of bits each
  std::vector<char> in_use_;            ///< by lane; its bitmap is first touched by its thread
  LargeVector<std::uint32_t> offsets_;
};

/// Lists pointers wherever they lie, in eight bytes each.
class AddressList {
 public:
  AddressList(std::int64_t count, std::int64_t pieces, std::int64_t origin, Aliases aliases);
  int lanes() const;
  /// Lists the pointers in `slots`, at most `most_slots`, from `index` on, with the origin added to
  /// each.
  bool list(std::int64_t piece, int lane, const SlotRange& slots, std::int64_t index);
  /// Returns true if NULL was among the pointers.
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
