#pragma once

#include <multibuffer/device.hpp>

#include "tests/testing/random_array.hpp"

#include <cstdint>
#include <string>

namespace multibuffer::testing {

/// Sends random rows of unequal length, of at most `most_bytes` in all, through the whole pipeline
/// on `device` and compares with the reference; where bytes come from is compared by address first,
/// since equal bytes may come from the wrong place. Reports failures with the seed.
void check_ragged(std::uint64_t seed, const Device& device,
                  std::int64_t most_bytes = std::int64_t{1} << 20);
/// Does so with the rows that `random` makes. Returns what differs and describes the rows, or an
/// empty string.
std::string check_ragged(Random& random, const Device& device, std::int64_t most_bytes);

}  // namespace multibuffer::testing
