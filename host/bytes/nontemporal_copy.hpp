#pragma once

#include <cstddef>
#include <cstdint>

namespace multibuffer {

/// Returns true if results of `bytes` bytes are written by non-temporal stores, which go past the
/// caches: so large a result would not be found there afterwards.
bool worth_nontemporal(std::int64_t bytes);

/// Copies `bytes` bytes, whole cache lines of `to` by non-temporal stores. A thread must call
/// `nontemporal_fence` after its last such copy.
void nontemporal_copy(std::byte* to, const std::byte* from, std::int64_t bytes);

/// Copies `bytes` bytes, if `nontemporal` by non-temporal stores where that pays.
void copy_bytes(std::byte* to, const std::byte* from, std::int64_t bytes, bool nontemporal);

}  // namespace multibuffer
