#include "tests/cuda/kernel_memory.hpp"
#include "tests/fuzz/targets.hpp"
#include "tests/testing/random_plan.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace multibuffer::fuzz {

void kernel(Bytes bytes) {
  using namespace multibuffer::testing;
  testing::Random random(bytes);
  const Size size{.most_axes = random.pick({3, 4, 5, 14}),
                  .most_levels = random.between(0, 7),
                  .most_indices = random.between(0, 6),
                  .most_rows = 60,
                  .conversions = random.pick({0, 100}),
                  .scalings = random.pick({0, 100})};
  Case c = CaseMaker(random, size).make();
  const std::vector<std::byte> expected = c.expected();
  const KernelChoice choice = random_choice(random, c.plan);
  std::fill_n(c.out[0].data(), c.out[0].bytes(), prefill);
  CheckedMemory memory = checked_memory(c);
  const Grid grid{static_cast<std::uint32_t>(random.between(1, 5)), random.pick({32u, 64u, 256u})};
  run_kernel(c.plan, choice, memory, grid);
  require(memory.failures() == 0, "a wrong access: ", describe(c.plan, choice));
  require(std::memcmp(c.out[0].data(), expected.data(), expected.size()) == 0,
          "other bytes: ", describe(c.plan, choice));
}

}  // namespace multibuffer::fuzz
