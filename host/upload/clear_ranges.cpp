#include "host/upload/clear_ranges.hpp"

#include <algorithm>

namespace multibuffer {

bool ClearRanges::has(const AddressRange& range) const {
  const std::scoped_lock lock(mutex_);
  return std::ranges::any_of(ranges_,
                             [&](const AddressRange& clear) { return clear.holds(range); });
}

void ClearRanges::add(const AddressRange& range) {
  const std::scoped_lock lock(mutex_);
  ranges_[next_++ % ranges_.size()] = range;
}

}  // namespace multibuffer
