#include "tests/fuzz/targets.hpp"
#include "tests/testing/check_array.hpp"
#include "tests/testing/random_array.hpp"

#include <string>
#include <vector>

namespace multibuffer::fuzz {

void array(Bytes bytes) {
  static const std::vector<testing::Route> routes = testing::every_route();
  testing::Random random(bytes);
  const auto route =
      static_cast<std::size_t>(random.between(0, static_cast<int>(routes.size()) - 1));
  const std::string differs = testing::check_array(random, {}, {&routes[route], 1});
  require(differs.empty(), differs);
}

}  // namespace multibuffer::fuzz
