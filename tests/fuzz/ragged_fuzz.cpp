#include "tests/fuzz/targets.hpp"
#include "tests/testing/check_ragged.hpp"
#include "tests/testing/random_array.hpp"

#include <string>

namespace multibuffer::fuzz {

void ragged(Bytes bytes) {
  static const Device host = Device::host();
  testing::Random random(bytes);
  const std::string differs = testing::check_ragged(random, host, 1 << 12);
  require(differs.empty(), differs);
}

}  // namespace multibuffer::fuzz
