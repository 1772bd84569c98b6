#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace multibuffer {

/// Addresses with the repetitions taken out.
struct Distinct {
  std::vector<const std::byte*> addresses;  ///< in order of first appearance
  /// ids[i]: where the i-th address given is in `addresses`. Empty if none repeats: then it is i.
  std::vector<std::int64_t> ids;

  std::int64_t id(std::size_t i) const {
    return ids.empty() ? static_cast<std::int64_t>(i) : ids[i];
  }
};

/// Numbers `addresses` by first appearance. Mostly nothing repeats, which is found out without
/// hashing: by their order, else by a bitmap if they lie close enough together.
Distinct number_distinct(std::vector<const std::byte*> addresses);

}  // namespace multibuffer
