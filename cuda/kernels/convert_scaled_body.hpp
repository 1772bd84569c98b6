#pragma once

#include "cuda/kernels/convert_body.hpp"
#include "cuda/kernels/convert_scaled.hpp"

#include <bit>
#include <cstdint>
#include <type_traits>

namespace multibuffer::cuda {

/// Converts vectors to float32, whatever their numbers are.
[[gnu::always_inline]] constexpr void convert_to_floats(const KernelConversion& c,
                                                        Bytes16 (&vectors)[batch]) {
  visit_number(c.numbers.from, [&](auto from) {
    using From = decltype(from);
    if constexpr (!std::is_same_v<From, float>)
      convert_vectors<From, float, false, true>(c, vectors);
  });
}

/// Returns the places of the first numbers of the vectors of the turn that begins with item
/// `first`.
template <class Plan, class Count>
constexpr void find_places(const Plan& plan, const Place& place, Count first,
                           Count (&places)[batch]) {
  const auto& scaling = plan.scaling;
  const auto vector_step =
      static_cast<Count>(scaling.run_step) * static_cast<Count>(plan.own.conversion.count);
  Count row[batch];
  for (int b = 0; b < batch; ++b) {
    const Count item = first + static_cast<Count>(b) * place.threads + place.thread;
    row[b] = plan.row_vectors.divide(item < plan.items ? item : 0);
    const Count vector = (item < plan.items ? item : 0) - row[b] * plan.row_vectors.divisor;
    places[b] = static_cast<Count>(scaling.first) + vector * vector_step;
  }
  walk_axes(plan, row, [&](int axis, const Count(&index)[batch]) {
    const auto step = static_cast<Count>(plan.steps[plan.index_count * plan.axis_count + axis]);
    for (int b = 0; b < batch; ++b) places[b] += index[b] * step;
  });
  for (int b = 0; b < batch; ++b)
    places[b] -= scaling.period.divide(places[b]) * scaling.period.divisor;
}

template <class Access>
constexpr float load_float(Access& access, Address table, std::uint64_t place) {
  return std::bit_cast<float>(access.template load<std::uint32_t>(table + place * sizeof(float)));
}

/// Scales the numbers of a vector, the first of which has that place. The tables go on behind the
/// period.
template <class Scaling, class Access>
constexpr Bytes16 scaled_vector(const Scaling& scaling, int count, Access& access,
                                const Bytes16& vector, std::uint64_t place) {
  Bytes16 made;
  for (int i = 0; i < word_bytes / static_cast<int>(sizeof(float)); ++i) {
    if (i >= count) continue;
    const auto at = place + static_cast<std::uint64_t>(i * scaling.run_step);
    const float number = std::bit_cast<float>(item_of<std::uint32_t>(vector, i));
    set_item(made, i,
             std::bit_cast<std::uint32_t>(scaled(number, load_float(access, scaling.factors, at),
                                                 load_float(access, scaling.terms, at))));
  }
  return made;
}

/// The loop of `gather_converted`, with a step more.
template <int /*Bytes*/, int Levels, class Plan, class Access>
[[gnu::always_inline]] constexpr void ConvertScaled::gather(const Plan& plan, Access& access,
                                                            const Place& place) {
  using Count = CountOf<typename Plan::Offset>;
  const KernelConversion& c = plan.own.conversion;
  for (const Count first : turns(plan, place)) {
    const auto found = find_vectors<Levels>(plan, access, place, first);
    Address source[batch];
    Address out[batch];
    int bytes[batch];
    for (int b = 0; b < batch; ++b) {
      const auto before = static_cast<std::int64_t>(found.vector[b]) * c.from_bytes;
      const std::int64_t rest = plan.run_bytes - before;
      source[b] = found.rows.source[b] + static_cast<Address>(before);
      out[b] = output_at(plan, found.rows.out[b]) +
               Address{found.vector[b]} * static_cast<Address>(c.to_bytes);
      bytes[b] = !found.valid[b] ? 0 : rest < c.from_bytes ? static_cast<int>(rest) : c.from_bytes;
    }
    Bytes16 vectors[batch] = {};
    load_sources(c, access, source, bytes, vectors);
    if (c.reversed_before != 0) reverse_vectors(c.reversed_before, vectors);
    convert_to_floats(c, vectors);
    Count places[batch];
    find_places(plan, place, first, places);
    for (int b = 0; b < batch; ++b)
      vectors[b] = scaled_vector(plan.scaling, c.count, access, vectors[b], places[b]);
    if (c.reversed_after != 0) reverse_vectors(c.reversed_after, vectors);
    for (int b = 0; b < batch; ++b) {
      const bool is_whole = bytes[b] == c.from_bytes;
      const int to_bytes = is_whole ? c.to_bytes : bytes[b] * c.to_bytes / c.from_bytes;
      const int piece = is_whole && c.aligned_output ? c.to_bytes : c.store_bytes;
      if (bytes[b] > 0) store_by(piece, access, out[b], vectors[b], to_bytes);
    }
  }
}

}  // namespace multibuffer::cuda
