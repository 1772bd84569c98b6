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

/// Returns the places of the first numbers of a batch of vectors, each in its row.
template <class Plan, class Count>
constexpr void find_places(const Plan& plan, const Count (&row)[batch],
                           const Count (&vector)[batch], Count (&places)[batch]) {
  const auto& scaling = plan.own.scaling;
  for (int b = 0; b < batch; ++b)
    places[b] =
        static_cast<Count>(scaling.first) + vector[b] * static_cast<Count>(scaling.vector_step);
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
constexpr Bytes16 scaled_vector(const Scaling& scaling, Access& access, const Bytes16& vector,
                                std::uint64_t place) {
  Bytes16 made;
  for (int i = 0; i < word_bytes / static_cast<int>(sizeof(float)); ++i) {
    if (i >= scaling.conversion.count) continue;
    const auto at = place + static_cast<std::uint64_t>(i * scaling.number_step);
    const float number = std::bit_cast<float>(item_of<std::uint32_t>(vector, i));
    set_item(made, i,
             std::bit_cast<std::uint32_t>(scaled(number, load_float(access, scaling.factors, at),
                                                 load_float(access, scaling.terms, at))));
  }
  return made;
}

template <int /*Bytes*/, int Levels, class Plan, class Access>
[[gnu::always_inline]] constexpr void ConvertScaled::gather(const Plan& plan, Access& access,
                                                            const Place& place) {
  using Count = CountOf<typename Plan::Offset>;
  const auto& scaling = plan.own.scaling;
  const KernelConversion& c = scaling.conversion;
  for (const Count first : turns(plan, place)) {
    const auto found = find_vectors<Levels>(plan, access, place, first);
    Bytes16 vectors[batch] = {};
    const auto parts = load_vectors(plan, c, access, found, vectors);
    if (c.reversed_before != 0) reverse_vectors(c.reversed_before, vectors);
    convert_to_floats(c, vectors);
    Count places[batch];
    find_places(plan, found.row, found.vector, places);
    for (int b = 0; b < batch; ++b)
      vectors[b] = scaled_vector(scaling, access, vectors[b], places[b]);
    if (c.reversed_after != 0) reverse_vectors(c.reversed_after, vectors);
    store_vectors(c, access, parts, vectors);
  }
}

}  // namespace multibuffer::cuda
