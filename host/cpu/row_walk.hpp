#pragma once

#include "host/backend/gather_plan.hpp"
#include "host/cpu/row_address.hpp"
#include "host/support/small_vector.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace multibuffer {

/// Where a row is read and where it is written.
struct RowCopy {
  const std::byte* from = nullptr;
  std::byte* to = nullptr;
};

/// Rows up to this size are items: their addresses are worth little more than they are, and a
/// `RowWalk` asks the second cache for each as soon as it has its address. For longer rows that is
/// left to who copies them, who can do it in turn with copying.
inline constexpr std::int64_t most_item_bytes = 16;

/// A walk over the rows of a plan in host memory, in the order of its axes. Rows come line by line,
/// a line being the innermost axis; what the other axes contribute is carried along by an odometer,
/// so that no row costs a division.
class RowWalk {
 public:
  RowWalk(const GatherPlan& plan, std::int64_t first_row);

  /// Rows from here to the end of the line.
  std::int64_t left_in_line() const;

  /// Lines from here to the end of the second axis from the end; 1 if there is none.
  std::int64_t left_in_plane() const;

  /// The copies of the next `copies.size()` rows, which may be on several lines; moves on.
  void next(std::span<RowCopy> copies);

  /// The copy of the row here, without moving.
  RowCopy here() const;

  /// use(address) with where the rows of this line are read: address(i) is the i-th from here. Not
  /// called for plans of more than a `RowAddress` can tell.
  template <class Use>
  void with_addresses(const Use& use) const;

  /// Where the row here is written, and what the rows of a line are written apart by.
  std::byte* to() const { return plan_.out + out_; }
  std::int64_t out_stride() const { return line().out_stride; }

  /// Moves on by whole rows, not beyond the line's end.
  void advance(std::int64_t rows);

  /// Moves on by whole lines, from the begin of one and not beyond the plane's end.
  void advance_lines(std::int64_t lines);

 private:
  void advance(std::size_t axis, std::int64_t steps);
  void move(std::size_t axis, std::int64_t steps);
  PlanAxis line() const;

  /// What rows of a line add to their positions, each its own: by an index array or by a stride.
  struct LineTerm {
    const PlanIndices* indices = nullptr;
    std::int64_t stride = 0;
    bool is_none() const { return !indices && stride == 0; }
  };

  // Ways to fill in copies of rows on one line; see row_walk.cpp.
  using Fill = void (RowWalk::*)(std::span<RowCopy> copies) const;
  void choose_terms();
  template <class Use>
  void with_types(const Use& use) const;
  template <class Before, class Entry, class After>
  RowAddress<Before, Entry, After> addresses() const;
  template <class Before, class Entry, class After>
  void fill_row_by_row(std::span<RowCopy> copies) const;
  void fill_by_levels(std::span<RowCopy> copies) const;
  template <class Value>
  RowTerm<Value> term_of(const LineTerm& term) const;
  void add_level(int level, std::span<std::int64_t> positions) const;

  const GatherPlan& plan_;
  Fill fill_;
  bool has_addresses_ = false;
  LineTerm before_, after_;  ///< the only table, or the sides of the only sum
  SmallVector<std::int64_t, 4> index_;
  SmallVector<std::int64_t, 4> origins_;  ///< per level: what all but the line's axis contribute
  SmallVector<std::int64_t, 4> places_;   ///< per index array: where it is read
  std::int64_t out_ = 0;
};

template <class Value>
RowTerm<Value> RowWalk::term_of(const LineTerm& term) const {
  if constexpr (std::is_void_v<Value>) {
    return {term.stride};
  } else {
    const PlanIndices& indices = *term.indices;
    const auto number = static_cast<std::size_t>(&indices - plan_.indices.data());
    return {.values = static_cast<const Value*>(indices.data) + places_[number],
            .step = indices.steps.empty() ? 0 : indices.steps.back(),
            .extent = indices.extent,
            .stride = indices.stride,
            .mode = plan_.mode};
  }
}

template <class Before, class Entry, class After>
RowAddress<Before, Entry, After> RowWalk::addresses() const {
  RowAddress<Before, Entry, After> result{.before = term_of<Before>(before_),
                                          .after = term_of<After>(after_),
                                          .table = nullptr,
                                          .first = origins_[0],
                                          .unit = plan_.unit,
                                          .base = reinterpret_cast<std::uintptr_t>(plan_.base)};
  if constexpr (!std::is_void_v<Entry>) {
    result.table = static_cast<const Entry*>(plan_.tables[0].data);
    result.base += static_cast<std::uintptr_t>(origins_[1]);
  }
  return result;
}

/// use() with the types of both terms and of the table's entries.
template <class Use>
void RowWalk::with_types(const Use& use) const {
  const auto with_value = [](const PlanIndices* indices, const auto& go_on) {
    if (!indices) return go_on(std::type_identity<void>());
    if (indices->bytes_each == 4) return go_on(std::type_identity<std::int32_t>());
    go_on(std::type_identity<std::int64_t>());
  };
  const auto with_entry = [&](const auto& go_on) {
    if (plan_.tables.empty()) return go_on(std::type_identity<void>());
    if (plan_.tables[0].wide) return go_on(std::type_identity<std::int64_t>());
    go_on(std::type_identity<std::uint32_t>());
  };
  with_value(before_.indices, [&]<class Before>(std::type_identity<Before>) {
    with_value(after_.indices, [&]<class After>(std::type_identity<After>) {
      with_entry([&]<class Entry>(std::type_identity<Entry>) {
        use.template operator()<Before, Entry, After>();
      });
    });
  });
}

template <class Use>
void RowWalk::with_addresses(const Use& use) const {
  if (!has_addresses_) return;
  with_types(
      [&]<class Before, class Entry, class After>() { use(addresses<Before, Entry, After>()); });
}

}  // namespace multibuffer
