#include <multibuffer/multibuffer.hpp>

#include "tests/fuzz/targets.hpp"
#include "tests/testing/random_array.hpp"

#include <array>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

namespace multibuffer::fuzz {
namespace {

using Numbers = std::vector<std::int64_t>;

/// Where each row lies among `items` items, or nothing where one lies outside of them.
struct Expected {
  Numbers first, length;
};
std::optional<Expected> expected_rows(const Numbers& offsets, const std::optional<Numbers>& lengths,
                                      std::int64_t items) {
  Expected rows;
  const std::size_t count = lengths ? offsets.size() : offsets.empty() ? 0 : offsets.size() - 1;
  if (lengths && lengths->size() != count) return {};
  // Without lengths all offsets are checked, since each bounds a row.
  for (std::size_t i = 0; i < count; ++i) {
    const Wide end =
        lengths ? static_cast<Wide>(offsets[i]) + (*lengths)[i] : static_cast<Wide>(offsets[i + 1]);
    const Wide length = end - offsets[i];
    const bool anywhere = lengths && length == 0;  // as in Arrow
    if (!anywhere && (offsets[i] < 0 || length < 0 || end > items)) return {};
    rows.first.push_back(anywhere ? 0 : offsets[i]);
    rows.length.push_back(static_cast<std::int64_t>(length));
  }
  return rows;
}

}  // namespace

void ragged_offsets(Bytes bytes) {
  testing::Random random(bytes);
  const std::int64_t items = random.between(0, 40);
  const std::int64_t per_item = random.between(1, 3);
  std::vector<std::int16_t> values(static_cast<std::size_t>(items * per_item));
  random.fill(std::as_writable_bytes(std::span(values)));
  const ArrayView array =
      ArrayView::dense(values.data(), std::array{items, per_item}, Format("h", 2));
  const auto number = [&] {
    return random.chance(95) ? random.between(std::int64_t{-1}, std::int64_t{42})
                             : static_cast<std::int64_t>(random.next());
  };
  Numbers offsets;
  std::int64_t at = 0;
  const bool ascends = random.chance(70);
  for (int count = random.between(0, 12); count > 0; --count)
    offsets.push_back(ascends ? std::exchange(at, std::min(items, at + random.between(0, 9)))
                              : number());
  std::optional<Numbers> lengths;
  if (random.chance(40)) {
    lengths.emplace();
    for (std::size_t i = 0; i < offsets.size(); ++i)
      lengths->push_back(random.chance(50) ? random.between(0, 3) : number());
    if (random.chance(5)) lengths->push_back(1);
  }
  const std::optional<Expected> expected = expected_rows(offsets, lengths, items);
  try {
    const RaggedView view = lengths ? RaggedView::from_offsets(array, offsets, *lengths)
                                    : RaggedView::from_offsets(array, offsets);
    require(expected.has_value(), "offsets outside of the values were taken");
    require(view.rows() == std::ssize(expected->first), "another number of rows");
    std::vector<std::byte> packed;
    for (std::int64_t row = 0; row < view.rows(); ++row) {
      const auto i = static_cast<std::size_t>(row);
      require(view.length(row) == expected->length[i], "row ", row, " has another length");
      const auto* const first = reinterpret_cast<const std::byte*>(values.data()) +
                                expected->first[i] * view.item_bytes();
      packed.insert(packed.end(), first, first + expected->length[i] * view.item_bytes());
    }
    const RaggedArray uploaded = upload(view, Device::host());
    require(pack(uploaded).values.to_host() == packed, "packed rows have other bytes");
  } catch (const Error& error) {
    require(!expected.has_value() || error.code() == Errc::size_overflow, error.what());
  }
}

}  // namespace multibuffer::fuzz
