#include "host/cpu/permute_items.hpp"

#include "host/cpu/copy_items.hpp"
#include "host/support/threshold.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <utility>

namespace multibuffer {
namespace {

/// The bytes read at a time, from so many ranges in turn: the hardware's prefetching ends with each
/// page (see nontemporal_copy.cpp), and while it starts again in one, it continues in the others.
constexpr std::int64_t ranges_in_turn = 4;
constexpr Threshold range_bytes{16384, 1};

}  // namespace

std::int64_t PermuteItems::items_in_load(std::int64_t stride, std::int64_t item_bytes) {
  const std::int64_t distance = std::abs(stride), in_line = cache_line_bytes / item_bytes;
  if (!has_permutes() || cache_line_bytes % item_bytes != 0 || distance < item_bytes) return 0;
  // A power of two, so that all loads for a line read as many, and all bytes of them are wanted.
  const std::int64_t in_reach = (cache_line_bytes - item_bytes) / distance + 1;
  const auto at_once = static_cast<std::int64_t>(
      std::bit_floor(static_cast<std::uint64_t>(std::min(in_reach, in_line))));
  return at_once < 2 ? 0 : at_once;
}

PermuteItems::PermuteItems(std::int64_t stride, std::int64_t item_bytes)
    : stride_(stride), item_bytes_(item_bytes), at_once_(items_in_load(stride, item_bytes)) {
  const std::int64_t distance = std::abs(stride);
  std::size_t lane = 0;
  for (std::int64_t item = 0; item < at_once_; ++item) {
    // Backwards, the last item is the first in memory.
    const std::int64_t place = (stride > 0 ? item : at_once_ - 1 - item) * distance;
    for (std::int64_t byte = place; byte < place + item_bytes; ++byte) {
      lanes_[lane++] = static_cast<std::byte>(byte);
      wanted_ |= std::uint64_t{1} << byte;
    }
  }
  for (std::size_t made = lane; lane < lanes_.size(); ++lane) lanes_[lane] = lanes_[lane - made];
}

template <std::size_t... Load>
MULTIBUFFER_PERMUTES void PermuteItems::make_lines(std::byte* to, const std::byte* from,
                                                   std::int64_t lines, bool nontemporal,
                                                   std::index_sequence<Load...> /*loads*/) const {
  constexpr auto loads = static_cast<std::int64_t>(sizeof...(Load)),
                 loaded = cache_line_bytes / loads;
  WideLine lanes{};
  put_bytes(lanes, 0, cache_line_bytes, lanes_.data());
  const std::uint64_t wanted = wanted_;
  const std::int64_t step = at_once_ * stride_, line_step = loads * step;
  const std::byte* lowest = stride_ < 0 ? from + step - stride_ : from;
  const auto make = [&](std::int64_t number) {
    const auto put = [&](WideLine& line, std::int64_t load) {
      put_permuted(line, load * loaded, (load + 1) * loaded, lanes, wanted,
                   lowest + number * line_step + load * step);
    };
    WideLine line{};
    (put(line, Load), ...);
    if (nontemporal)
      nontemporal_store_wide_line(to + number * cache_line_bytes, line);
    else
      copy_wide_line(to + number * cache_line_bytes, line);
  };
  const std::int64_t most = std::max<std::int64_t>(1, range_bytes / std::abs(line_step));
  std::int64_t done = 0;
  while (lines - done >= ranges_in_turn) {
    const std::int64_t range = std::min((lines - done) / ranges_in_turn, most);
    for (std::int64_t i = done; i < done + range; ++i)
      for (std::int64_t turn = 0; turn < ranges_in_turn; ++turn) make(i + turn * range);
    done += ranges_in_turn * range;
  }
  for (; done < lines; ++done) make(done);
}

void PermuteItems::operator()(std::byte* to, const std::byte* from, std::int64_t count,
                              bool nontemporal) const {
  const std::int64_t in_line = cache_line_bytes / item_bytes_;
  const std::int64_t head = std::min(bytes_to_cache_line(to) / item_bytes_, count);
  const std::int64_t lines = (count - head) / in_line, tail = head + lines * in_line;
  const auto copy = [&](std::int64_t begin, std::int64_t end) {
    copy_strided(to + begin * item_bytes_, item_bytes_, from + begin * stride_, stride_,
                 end - begin, item_bytes_);
  };
  const auto make = [&](auto loads) {
    make_lines(to + head * item_bytes_, from + head * stride_, lines, nontemporal, loads);
  };
  copy(0, head);
  switch (in_line / at_once_) {
    case 1:
      make(std::make_index_sequence<1>());
      break;
    case 2:
      make(std::make_index_sequence<2>());
      break;
    case 4:
      make(std::make_index_sequence<4>());
      break;
    case 8:
      make(std::make_index_sequence<8>());
      break;
    case 16:
      make(std::make_index_sequence<16>());
      break;
    default:
      make(std::make_index_sequence<32>());
  }
  copy(tail, count);
}

}  // namespace multibuffer
