#pragma once

#include "host/backend/copy_plan.hpp"
#include "host/cpu/row_address.hpp"
#include "host/support/small_vector.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace multibuffer {

/// The addresses that a row is read from and written to.
struct RowCopy {
  const std::byte* from = nullptr;
  std::byte* to = nullptr;
};

/// Rows up to this size are items: finding one costs as much as copying it, and a `RowWalk`
/// prefetches each to the L2 cache as soon as its address is known. Longer rows are prefetched by
/// the code that copies them, in turn with copying.
inline constexpr std::int64_t most_item_bytes = 16;

/// A walk over the rows of a plan in host memory, in the order of its axes. An odometer carries the
/// contributions of all axes but the inner one, so that no row costs a division.
///
/// For most plans, the address of a row is one expression, whose types are known to the compiler:
///
///     address = base + table[first + before(row)] * unit + after(row)
///
/// Each of `before` and `after` is one of three, as is the table: 27 loops, of which a plan takes
/// the one that `with_types` finds.
///
///     before \\ after        | inner axis's stride | int32 index array | int64 index array
///     -----------------------+---------------------+-------------------+------------------
///     inner axis's stride    |                     |                   |
///     int32 index array      |         each without a table, with a table of uint32
///     int64 index array      |         entries, and with one of int64 entries
///
/// Plans of more tables, or with more than one term on a side, are looked up level by level.
class RowWalk {
 public:
  RowWalk(const CopyPlan& plan, std::int64_t first_row);

  /// Returns true if one loop can look up and copy the rows of the inner axis: a `RowAddress` tells
  /// where they are, and no index array lies behind the table, where arrays are for items only.
  static bool can_look_up_ahead(const CopyPlan& plan);

  /// Rows from here to the end of the inner axis.
  std::int64_t left_in_inner_axis() const;

  /// Indices from here to the end of the second axis from the end; 1 if there is none.
  std::int64_t left_in_plane() const;

  /// Fills in the copies of the next `copies.size()` rows, and moves behind them. Of a plan that
  /// scales, `places` become those of the rows' first numbers; others need none.
  void next(std::span<RowCopy> copies, std::span<std::int64_t> places = {});

  /// Returns the place of the first number here in the tables of the plan's scaling.
  std::int64_t scaling_place() const { return scaling_place_; }

  /// Returns the copy of the row here, without moving.
  RowCopy here() const;

  /// Calls use(address), where address(i) is the source of the i-th row from here on the inner
  /// axis. Does nothing for plans that a `RowAddress` has no room for.
  template <class Use>
  void with_addresses(const Use& use) const;

  /// The output of the row here, and the stride in the output from each row to the next.
  std::byte* to() const { return plan_.dense.base + out_; }
  std::int64_t out_stride() const { return inner_axis().dense_stride; }

  /// Moves by `rows` rows, not beyond the end of the inner axis.
  void advance(std::int64_t rows);

  /// Moves by `steps` indices of the second axis from the end, from the begin of the inner axis.
  void advance_outer(std::int64_t steps);

 private:
  void advance(std::size_t axis, std::int64_t steps);
  void move(std::size_t axis, std::int64_t steps);
  PlanAxis inner_axis() const;

  /// A term of the position that differs from row to row: an index array's or the inner axis's.
  struct InnerTerm {
    const PlanIndices* indices = nullptr;
    std::int64_t stride = 0;
    bool is_none() const { return !indices && stride == 0; }
  };

  /// The terms before and after the only table, or the two of the only sum; `fit` if that is all.
  struct InnerTerms {
    InnerTerm before, after;
    bool fit = false;
  };
  static InnerTerms terms_of(const CopyPlan& plan);

  // Ways to fill in copies of rows of one inner axis; see row_walk.cpp.
  using Fill = void (RowWalk::*)(std::span<RowCopy> copies) const;
  template <class Use>
  void with_types(const Use& use) const;
  template <class Before, class Entry, class After>
  RowAddress<Before, Entry, After> addresses() const;
  template <class Before, class Entry, class After>
  void fill_row_by_row(std::span<RowCopy> copies) const;
  void fill_by_levels(std::span<RowCopy> copies) const;
  template <class Value>
  RowTerm<Value> term_of(const InnerTerm& term) const;
  void add_level(int level, std::span<std::int64_t> positions) const;

  const CopyPlan& plan_;
  Fill fill_;
  InnerTerms terms_;
  SmallVector<std::int64_t, 4> index_;
  SmallVector<std::int64_t, 4>
      origins_;  ///< per level: the contributions of all axes but the inner one
  SmallVector<std::int64_t, 4> places_;  ///< per index array: the position in it
  std::int64_t out_ = 0;
  std::int64_t scaling_place_ = 0;
};

template <class Value>
RowTerm<Value> RowWalk::term_of(const InnerTerm& term) const {
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
  RowAddress<Before, Entry, After> result{
      .before = term_of<Before>(terms_.before),
      .after = term_of<After>(terms_.after),
      .table = nullptr,
      .first = origins_[0],
      .unit = plan_.indexed.unit,
      .base = reinterpret_cast<std::uintptr_t>(plan_.indexed.base)};
  if constexpr (!std::is_void_v<Entry>) {
    result.table = static_cast<const Entry*>(plan_.indexed.tables[0].data);
    result.base += static_cast<std::uintptr_t>(origins_[1]);
  }
  return result;
}

/// Calls use() with the types of both terms and of the table's entries.
template <class Use>
void RowWalk::with_types(const Use& use) const {
  const auto with_value = [](const PlanIndices* indices, const auto& then) {
    if (!indices) return then(std::type_identity<void>());
    if (indices->bytes_each == 4) return then(std::type_identity<std::int32_t>());
    then(std::type_identity<std::int64_t>());
  };
  const auto with_entry = [&](const auto& then) {
    if (plan_.indexed.tables.empty()) return then(std::type_identity<void>());
    if (plan_.indexed.tables[0].wide) return then(std::type_identity<std::int64_t>());
    then(std::type_identity<std::uint32_t>());
  };
  with_value(terms_.before.indices, [&]<class Before>(std::type_identity<Before>) {
    with_value(terms_.after.indices, [&]<class After>(std::type_identity<After>) {
      with_entry([&]<class Entry>(std::type_identity<Entry>) {
        use.template operator()<Before, Entry, After>();
      });
    });
  });
}

template <class Use>
void RowWalk::with_addresses(const Use& use) const {
  if (!terms_.fit) return;
  with_types(
      [&]<class Before, class Entry, class After>() { use(addresses<Before, Entry, After>()); });
}

}  // namespace multibuffer
