#pragma once

#include <multibuffer/device_array.hpp>
#include <multibuffer/device_buffer.hpp>
#include <multibuffer/plan.hpp>

#include "host/python/support/owner.hpp"
#include "host/upload/internals.hpp"
#include "host/upload/storage.hpp"

#include <cstddef>

namespace multibuffer::python {

/// Calls `use` with each `Share` of a `T`: an owner that other objects of ours have, too.
template <class T>
struct Shares {
  template <class Use>
  static void each(const T& /*value*/, const Use& /*use*/) {}
};
inline constexpr std::size_t most_shares = 2;

template <>
struct Shares<DeviceArray> {
  template <class Use>
  static void each(const DeviceArray& array, const Use& use) {
    const auto& storage = storage_of(array);
    if (storage->owner) use(Share{storage->owner, storage});
  }
};

template <>
struct Shares<DeviceBuffer> {
  template <class Use>
  static void each(const DeviceBuffer& buffer, const Use& use) {
    if (const auto& owner = owner_of(buffer)) use(Share{owner, nullptr});
  }
};

template <>
struct Shares<Plan> {
  template <class Use>
  static void each(const Plan& plan, const Use& use) {
    Shares<DeviceArray>::each(plan.array(), use);
    Shares<DeviceBuffer>::each(plan.result(), use);
  }
};

}  // namespace multibuffer::python
