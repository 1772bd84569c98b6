#pragma once

#include "cuda/kernels/find_rows.hpp"
#include "cuda/kernels/pixels.hpp"
#include "cuda/kernels/row_words.hpp"
#include "host/support/rounding.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

/// Gathers pixels of up to four bytes, and items of one and two, at a small pitch: mirrored, every
/// second or third, a channel, channels in reverse order. Loaded one by one, sixteen bytes would
/// take sixteen loads from the L1 cache, which is the bound. Here a thread loads the few words that
/// its pixels lie in, once, and picks the pixels in registers:
///
///     in memory    . B G R B G R B G R ...     words of 16 bytes, aligned
///     window         B G R B G R B G R ...     from the first pixel
///     dense          B G R B G R B G R ...     without the bytes between pixels
///     reversed       R G B R G B R G B ...     pixels, and their bytes, in reverse order
///     word             G B R G B R G B ...     from where the output's word begins
///
/// Except for the first and the last step, positions of bytes are known to the compiler.
namespace multibuffer::cuda {

constexpr std::size_t registers_for(int bytes) {
  return static_cast<std::size_t>(ceil_divide(bytes, 4));
}

/// The pixels that a word of the output may lie in, and where each byte of a step comes from. Bytes
/// after the last pixel may be any.
template <PixelShape Shape>
struct PixelsOf {
  static constexpr int bytes = Shape.bytes;
  static constexpr int pitch = Shape.pitch;
  static constexpr int count = (word_bytes + 2 * (bytes - 1)) / bytes;
  static constexpr int dense_bytes = count * bytes;
  static constexpr int window_bytes = (count - 1) * pitch + bytes;
  static constexpr std::size_t dense_registers = registers_for(dense_bytes);
  static constexpr std::size_t window_registers = registers_for(window_bytes);

  static constexpr int present(int j) { return j < dense_bytes ? j : dense_bytes - 1; }
  static constexpr int from_window(int j) {
    return present(j) / bytes * pitch + present(j) % bytes;
  }
  static constexpr int from_the_end(int j) { return dense_bytes - 1 - present(j); }
  static constexpr int from_the_end_of_its_pixel(int j) {
    return present(j) / bytes * bytes + bytes - 1 - present(j) % bytes;
  }
};

/// Selects the four bytes of a register from up to four others: from the first two at once, then
/// from each of the rest.
struct RegisterPicks {
  std::size_t registers[4] = {};
  std::uint32_t selectors[3] = {};
  std::size_t count = 0;  ///< of registers
};

/// Returns the picks of bytes `source(first)` ... `source(first + 3)`.
constexpr RegisterPicks picks_of(int (*source)(int), int first) {
  RegisterPicks picks;
  for (int b = 0; b < 4; ++b) {
    const auto at = static_cast<std::size_t>(source(first + b));
    std::size_t n = 0;
    while (n < picks.count && picks.registers[n] != at / 4) ++n;
    if (n == picks.count) picks.registers[picks.count++] = at / 4;
  }
  for (std::size_t step = 0; step + 1 < std::max<std::size_t>(picks.count, 2); ++step) {
    for (int b = 0; b < 4; ++b) {
      const auto at = static_cast<std::size_t>(source(first + b));
      const bool is_second = picks.count > 1 && at / 4 == picks.registers[step + 1];
      const auto kept = step == 0 ? at % 4 : static_cast<std::size_t>(b);
      picks.selectors[step] |= static_cast<std::uint32_t>(is_second ? 4 + at % 4 : kept) << (4 * b);
    }
  }
  return picks;
}

template <RegisterPicks picks, std::size_t From>
constexpr std::uint32_t picked_register(const Registers<From>& from) {
  constexpr std::uint32_t all = 0x3210;
  if constexpr (picks.count == 1 && picks.selectors[0] == all) return from[picks.registers[0]];
  const std::size_t second = picks.registers[picks.count > 1 ? 1 : 0];
  std::uint32_t result = permuted_bytes(from[picks.registers[0]], from[second], picks.selectors[0]);
  if constexpr (picks.count > 2)
    result = permuted_bytes(result, from[picks.registers[2]], picks.selectors[1]);
  if constexpr (picks.count > 3)
    result = permuted_bytes(result, from[picks.registers[3]], picks.selectors[2]);
  return result;
}

/// Returns registers whose byte j is byte `source(j)` of `from`.
template <std::size_t Count, int (*source)(int), std::size_t From>
constexpr Registers<Count> permuted(const Registers<From>& from) {
  return [&]<std::size_t... i>(std::index_sequence<i...>) {
    return Registers<Count>{picked_register<picks_of(source, static_cast<int>(4 * i))>(from)...};
  }
  (std::make_index_sequence<Count>());
}

/// Loads the bytes from `at`, of which [begin, end) are wanted; words without one are not loaded.
template <class Shape, class Access>
constexpr Registers<Shape::window_registers> load_window(Access& access, Address at, int begin,
                                                         int end) {
  constexpr std::size_t words = ceil_divide(Shape::window_bytes + word_bytes - 1, word_bytes);
  const int shift = static_cast<int>(at % word_bytes);
  const Address first = at - static_cast<Address>(shift);
  Registers<4 * words + 4> loaded{};
  for (std::size_t w = 0; w < words; ++w) {
    const int offset = static_cast<int>(w) * word_bytes - shift;
    if (offset < end && offset + word_bytes > begin)
      set_registers(loaded, 4 * w, access.template over_read<Bytes16>(first + w * word_bytes));
  }
  return beginning_at<Shape::window_registers>(loaded, shift);
}

template <class Shape, class Count, class Access>
constexpr Bytes16 picked(Access& access, bool backwards, bool reversed,
                         const RowWord<Count>& word) {
  constexpr int bytes = Shape::bytes;
  constexpr int pitch = Shape::pitch;
  constexpr int last = Shape::count - 1;
  // Counted from the first pixel that would lie in the row's first word, were the row longer.
  const int pixels_before = ceil_divide(word.head, bytes);
  const Count at = word.number * word_bytes + static_cast<Count>(pixels_before * bytes - word.head);
  const Count pixel = at / bytes;
  const int phase = static_cast<int>(at - pixel * bytes);
  const int first_wanted = (phase + word.begin) / bytes;
  const int last_wanted = (phase + word.end - 1) / bytes;

  // A word without bytes loads nothing by its bounds: a branch would separate the batch's loads.
  const bool any = word.begin < word.end;
  const int wanted_begin = (backwards ? last - last_wanted : first_wanted) * pitch;
  const int wanted_end =
      any ? (backwards ? last - first_wanted : last_wanted) * pitch + bytes : -word_bytes;
  const std::int64_t pixels = static_cast<std::int64_t>(pixel) - pixels_before;
  const auto window = load_window<Shape>(
      access,
      word.source + static_cast<Address>(backwards ? -(pixels + last) * pitch : pixels * pitch),
      wanted_begin, wanted_end);

  constexpr std::size_t count = Shape::dense_registers;
  auto dense = permuted<count, Shape::from_window>(window);
  if (backwards) dense = permuted<count, Shape::from_the_end>(dense);
  if (backwards != reversed) dense = permuted<count, Shape::from_the_end_of_its_pixel>(dense);

  Registers<4> result{};
  for (std::size_t k = 0; k < 4; ++k) {
    const std::uint32_t next = k + 1 < count ? dense[k + 1] : 0;
    result[k] = static_cast<std::uint32_t>(((std::uint64_t{next} << 32) | dense[k]) >> phase * 8);
  }
  return vector_of(result);
}

/// Calls visit.operator()<Shape>() for `pixel_shapes[shape]`, by bisection.
template <int First = 0, int Count = static_cast<int>(std::size(pixel_shapes)), class Visit>
constexpr void visit_pixels(int shape, Visit&& visit) {
  constexpr int half = Count / 2;
  if constexpr (Count == 1)
    visit.template operator()<PixelsOf<pixel_shapes[First]>>();
  else if (shape < First + half)
    visit_pixels<First, half>(shape, visit);
  else
    visit_pixels<First + half, Count - half>(shape, visit);
}

/// Gives consecutive threads consecutive words of the output's rows. Each shape has straight code,
/// and all threads take the same.
template <int /*Bytes*/, int Levels, class Plan, class Access>
constexpr void Pixels::gather(const Plan& plan, Access& access, const Place& place) {
  using Count = CountOf<typename Plan::Offset>;
  const auto& pixels = plan.own.pixels;
  for (const Count first : turns(plan, place)) {
    const auto found = find_vectors<Levels>(plan, access, place, first);
    RowWord<Count> words[batch];
    for (int b = 0; b < batch; ++b)
      words[b] = row_word(plan, found, b, static_cast<std::int64_t>(pixels.row_bytes));
    Bytes16 values[batch];
    visit_pixels(pixels.shape, [&]<class Shape>() {
      for_batch([&](int b) {
        if (pixels.reversed) words[b].source -= Shape::bytes - 1;
        values[b] = picked<Shape>(access, pixels.backwards, pixels.reversed, words[b]);
      });
    });
    for_batch([&](int b) {
      if (words[b].begin < words[b].end)
        store_word(access, words[b].out, values[b], words[b].begin, words[b].end);
    });
  }
}

}  // namespace multibuffer::cuda
