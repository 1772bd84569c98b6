#pragma once

#include <multibuffer/ragged_array.hpp>

#include "host/python/support/shares.hpp"
#include "host/ragged/ragged_storage.hpp"

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace multibuffer::python {

/// What a Python `RaggedArray` holds.
struct RaggedObject {
  RaggedArray array;
  /// What views of the array share with its rows and its plans, to be counted: its tables of rows.
  std::weak_ptr<const void> storage;

  explicit RaggedObject(RaggedArray whole) : array(std::move(whole)) {
    // A row keeps the storage by its memory. Without rows there is nothing to keep.
    if (array.rows() > 0) storage = storage_of(array.row(0))->memory;
  }
  /// A view shares what the whole array does.
  RaggedObject(RaggedArray view, const RaggedObject& whole)
      : array(std::move(view)), storage(whole.storage) {}

  /// What has the owner. Arrays that take() makes share it, and have tables of their own.
  const std::shared_ptr<const Storage>& elements() const { return storage_of(array).storage; }
  const std::shared_ptr<const void>& owner() const { return elements()->owner; }
  std::vector<std::int64_t> item_shape() const { return array.item_shape(); }
};

template <>
struct Shares<RaggedObject> {
  template <class Use>
  static void each(const RaggedObject& object, const Use& use) {
    if (const auto& owner = object.owner()) use(Share{owner, object.storage.lock()});
  }
};

/// Visits the share of an array that alone has `elements`, for a `tp_traverse`. A `Kept` counts the
/// sharers of one storage: while take() has made others, nobody shows the collector the owner, and
/// cycles through it stay until the collection after the one in which there is one again.
inline int visit_rows(const Share& share, visitproc visit, void* arg) {
  count_sharers_of(share);
  return traverse(share, visit, arg);
}
inline int visit_ragged(const RaggedObject& object, visitproc visit, void* arg) {
  if (object.elements().use_count() != 1) return 0;
  int stop = 0;
  Shares<RaggedObject>::each(object, [&](const Share& share) {
    if (stop == 0) stop = visit_rows(share, visit, arg);
  });
  return stop;
}

}  // namespace multibuffer::python
