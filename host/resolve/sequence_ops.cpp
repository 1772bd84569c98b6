#include "host/resolve/sequence_ops.hpp"

#include "host/support/parallel.hpp"

#include <cstddef>
#include <utility>

namespace multibuffer {
namespace {

/// Returns value(i) for i in [0, size), computed on all threads.
template <class Value>
Sequence computed(std::int64_t size, const Value& value) {
  LargeVector<std::int64_t> result(static_cast<std::size_t>(size));
  parallel_for(size, 2 * sizeof result[0], {}, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) result[static_cast<std::size_t>(i)] = value(i);
  });
  return Sequence::flat(std::move(result));
}

template <class Value>
Sequence shortest(LargeVector<Value> values) {
  if (values.empty()) return {};
  const auto value = [&](std::size_t i) { return static_cast<std::uint64_t>(values[i]); };
  const std::uint64_t step = values.size() > 1 ? value(1) - value(0) : 0;
  for (std::size_t i = 1; i < values.size(); ++i)
    if (value(i) - value(i - 1) != step) return list_of(std::move(values));
  return Sequence::affine(static_cast<std::int64_t>(values[0]), static_cast<std::int64_t>(step),
                          static_cast<std::int64_t>(values.size()));
}

}  // namespace

Sequence composed(const Sequence& values, const Sequence& positions) {
  if (positions.empty()) return {};
  if (values.is_affine() && positions.is_affine())
    return Sequence::affine(values[positions[0]],
                            positions.size() > 1 ? values[positions[1]] - values[positions[0]] : 0,
                            positions.size());
  const bool are_all = positions.is_affine() && positions[0] == 0 && positions.step() == 1 &&
                       positions.size() == values.size();
  if (are_all) return values;

  if (values.is_affine())
    if (auto scaled = positions.scaled(values[0], values.step())) return std::move(*scaled);
  return values.visit([&](const auto& value) {
    return positions.visit([&](const auto& position) {
      return computed(positions.size(), [&](std::int64_t i) { return value(position(i)); });
    });
  });
}

Sequence moved(const Sequence& values, std::int64_t distance) {
  if (distance == 0 || values.empty()) return values;
  if (auto scaled = values.scaled(distance, 1)) return std::move(*scaled);
  return computed(values.size(), [&](std::int64_t i) { return values[i] + distance; });
}

Sequence sequence_of(LargeVector<std::int64_t> values) { return shortest(std::move(values)); }
Sequence sequence_of(LargeVector<std::uint32_t> values) { return shortest(std::move(values)); }

}  // namespace multibuffer
