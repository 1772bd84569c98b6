#include "host/cpu/copy_items.hpp"

#include "host/bytes/simd.hpp"

#include <cstdlib>
#include <cstring>
#include <utility>

// Items that lie a few items apart, by whole vectors: what a result needs of each vector is put in
// its place by one shuffle. Steps and numbers of parts are known when this is compiled.

namespace multibuffer {
namespace {

constexpr std::int64_t most_steps = 4;

template <class Item>
constexpr std::int64_t lanes = vector_bytes / sizeof(Item);

template <class Item>
constexpr std::int64_t size_of = sizeof(Item);

template <std::int64_t Count>
using Sequence = std::make_index_sequence<static_cast<std::size_t>(Count)>;

/// The lane of the shuffle of `result` with vector number `from` that puts item `position` of all
/// vectors in lane `lane`, or leaves there what an earlier shuffle has put there.
template <class Item>
constexpr std::size_t lane_for(std::int64_t position, std::int64_t from, std::int64_t lane) {
  const std::int64_t vector = position / lanes<Item>, at = position % lanes<Item>;
  if (vector == from) return static_cast<std::size_t>(lanes<Item> + at);
  return static_cast<std::size_t>(vector == 0 && from == 1 ? at : lane);
}

/// Which of Step vectors' items goes to `lane`. Backwards, the last item is the first.
template <class Item, std::int64_t Step>
constexpr std::int64_t every_position(std::int64_t lane) {
  return Step > 0 ? lane * Step : lanes<Item> * -Step - 1 + lane * Step;
}

template <class Item, std::int64_t Step, std::int64_t From, std::size_t... Lane>
void take_every(Vector<Item>& result, const Vector<Item>& vector, std::index_sequence<Lane...>) {
  result = __builtin_shufflevector(result, vector,
                                   lane_for<Item>(every_position<Item, Step>(Lane), From, Lane)...);
}

template <class Item, std::int64_t Step, std::size_t... Rest>
void take_every(Vector<Item>& result, const std::byte* from, std::index_sequence<Rest...>) {
  using Lanes = Sequence<lanes<Item>>;
  // A single vector meets itself: its items are all in vector 0.
  if constexpr (sizeof...(Rest) == 0)
    take_every<Item, Step, 1>(result, Vector<Item>(result), Lanes());
  (take_every<Item, Step, Rest + 1>(result, load<Vector<Item>>(from + (Rest + 1) * vector_bytes),
                                    Lanes()),
   ...);
}

template <class Item, std::int64_t Step>
void copy_every_step(std::byte* to, const std::byte* from, std::int64_t count) {
  constexpr std::int64_t n = lanes<Item>, vectors = Step > 0 ? Step : -Step;
  // The vectors reach beyond the last of their items, but not beyond the item after that.
  std::int64_t i = 0;
  for (; i + n < count; i += n) {
    const std::byte* first = from + i * Step * size_of<Item>;
    if constexpr (Step < 0) first -= (n * vectors - 1) * size_of<Item>;
    auto result = load<Vector<Item>>(first);
    take_every<Item, Step>(result, first, Sequence<vectors - 1>());
    store(to + i * size_of<Item>, result);
  }
  for (; i < count; ++i)
    std::memcpy(to + i * size_of<Item>, from + i * Step * size_of<Item>, sizeof(Item));
}

template <class Item, std::int64_t Parts, std::int64_t Result, std::int64_t From,
          std::size_t... Lane>
void put_between(Vector<Item>& result, const Vector<Item>& part, std::index_sequence<Lane...>) {
  // The item for a lane is in its part where the lane, counted over all results, has come to.
  constexpr auto position = [](std::int64_t lane) {
    const std::int64_t at = Result * lanes<Item> + lane;
    return at % Parts * lanes<Item> + at / Parts;
  };
  result = __builtin_shufflevector(result, part, lane_for<Item>(position(Lane), From, Lane)...);
}

template <class Item, std::int64_t Parts, std::int64_t Result, std::size_t... Rest>
void put_between(std::byte* to, const Vector<Item>* parts, std::index_sequence<Rest...>) {
  Vector<Item> result = parts[0];
  (put_between<Item, Parts, Result, Rest + 1>(result, parts[Rest + 1], Sequence<lanes<Item>>()),
   ...);
  store(to + Result * static_cast<std::int64_t>(vector_bytes), result);
}

template <class Item, std::int64_t Parts, std::size_t... Part>
void interleave_parts(std::byte* to, const std::byte* from, std::int64_t count,
                      std::int64_t part_stride, std::index_sequence<Part...>) {
  constexpr std::int64_t n = lanes<Item>;
  std::int64_t i = 0;
  for (; i + n <= count; i += n) {
    const std::byte* at = from + i * size_of<Item>;
    const Vector<Item> parts[sizeof...(Part)]{
        load<Vector<Item>>(at + static_cast<std::int64_t>(Part) * part_stride)...};
    (put_between<Item, Parts, Part>(to + i * Parts * size_of<Item>, parts, Sequence<Parts - 1>()),
     ...);
  }
  for (; i < count; ++i)
    for (std::int64_t part = 0; part < Parts; ++part)
      std::memcpy(to + (i * Parts + part) * size_of<Item>,
                  from + part * part_stride + i * size_of<Item>, sizeof(Item));
}

template <class Item>
void copy_every_of(std::byte* to, const std::byte* from, std::int64_t count, std::int64_t step) {
  switch (step) {
    case -4:
      return copy_every_step<Item, -4>(to, from, count);
    case -3:
      return copy_every_step<Item, -3>(to, from, count);
    case -2:
      return copy_every_step<Item, -2>(to, from, count);
    case -1:
      return copy_every_step<Item, -1>(to, from, count);
    case 2:
      return copy_every_step<Item, 2>(to, from, count);
    case 3:
      return copy_every_step<Item, 3>(to, from, count);
    default:
      return copy_every_step<Item, 4>(to, from, count);
  }
}

template <class Item>
void interleave_of(std::byte* to, const std::byte* from, std::int64_t count, std::int64_t parts,
                   std::int64_t part_stride) {
  switch (parts) {
    case 2:
      return interleave_parts<Item, 2>(to, from, count, part_stride, Sequence<2>());
    case 3:
      return interleave_parts<Item, 3>(to, from, count, part_stride, Sequence<3>());
    default:
      return interleave_parts<Item, 4>(to, from, count, part_stride, Sequence<4>());
  }
}

bool is_small_item(std::int64_t bytes) {
  return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

/// Items of a size known when this is compiled, or of any size (Bytes = 0).
template <int Bytes>
void copy_each(std::byte* to, std::int64_t out_stride, const std::byte* from, std::int64_t stride,
               std::int64_t count, std::int64_t bytes) {
  for (std::int64_t i = 0; i < count; ++i) {
    std::memcpy(to, from, static_cast<std::size_t>(Bytes > 0 ? Bytes : bytes));
    to += out_stride;
    from += stride;
  }
}

}  // namespace

void copy_strided(std::byte* to, std::int64_t out_stride, const std::byte* from,
                  std::int64_t stride, std::int64_t count, std::int64_t item_bytes) {
  const auto by = [&](const auto& copy) { copy(to, out_stride, from, stride, count, item_bytes); };
  switch (item_bytes) {
    case 1:
      return by(copy_each<1>);
    case 2:
      return by(copy_each<2>);
    case 3:
      return by(copy_each<3>);
    case 4:
      return by(copy_each<4>);
    case 6:
      return by(copy_each<6>);
    case 8:
      return by(copy_each<8>);
    case 12:
      return by(copy_each<12>);
    case 16:
      return by(copy_each<16>);
    case 24:
      return by(copy_each<24>);
    case 32:
      return by(copy_each<32>);
    case 64:
      return by(copy_each<64>);
    default:
      return by(copy_each<0>);
  }
}

bool can_copy_every(std::int64_t step, std::int64_t item_bytes) {
  // Items that are a vector or more apart may be in memory that was allocated one by one.
  const bool are_close =
      (std::abs(step) - 1) * item_bytes < static_cast<std::int64_t>(vector_bytes);
  return has_shuffles() && is_small_item(item_bytes) && std::abs(step) <= most_steps && are_close &&
         step != 0 && step != 1;
}

bool can_interleave(std::int64_t parts, std::int64_t item_bytes) {
  return has_shuffles() && is_small_item(item_bytes) && parts >= 2 && parts <= most_steps;
}

MULTIBUFFER_SHUFFLES void copy_every(std::byte* to, const std::byte* from, std::int64_t count,
                                     std::int64_t step, std::int64_t item_bytes) {
  if (item_bytes == 1) return copy_every_of<std::uint8_t>(to, from, count, step);
  if (item_bytes == 2) return copy_every_of<std::uint16_t>(to, from, count, step);
  if (item_bytes == 4) return copy_every_of<std::uint32_t>(to, from, count, step);
  copy_every_of<std::uint64_t>(to, from, count, step);
}

MULTIBUFFER_SHUFFLES void interleave(std::byte* to, const std::byte* from, std::int64_t count,
                                     std::int64_t parts, std::int64_t part_stride,
                                     std::int64_t item_bytes) {
  if (item_bytes == 1) return interleave_of<std::uint8_t>(to, from, count, parts, part_stride);
  if (item_bytes == 2) return interleave_of<std::uint16_t>(to, from, count, parts, part_stride);
  if (item_bytes == 4) return interleave_of<std::uint32_t>(to, from, count, parts, part_stride);
  interleave_of<std::uint64_t>(to, from, count, parts, part_stride);
}

}  // namespace multibuffer
