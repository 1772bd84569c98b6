#pragma once

#include "host/support/address.hpp"

#include <array>
#include <cstddef>
#include <mutex>

namespace multibuffer {

/// Memory that some array in place was found not to read. What an array in place reads never
/// changes, and most outputs are used again: they are looked for here before every leaf is asked.
class ClearRanges {
 public:
  bool has(const AddressRange& range) const;
  void add(const AddressRange& range);

 private:
  mutable std::mutex mutex_;
  std::array<AddressRange, 8> ranges_;
  std::size_t next_ = 0;
};

}  // namespace multibuffer
