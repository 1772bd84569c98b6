// A paged key-value cache: the tokens of all sequences in order, gathered in one launch through the
// block table, which the scheduler changes between the launches.

#include <multibuffer/multibuffer.hpp>

#include <array>
#include <cstdint>
#include <iostream>
#include <numeric>
#include <vector>

int main(int argc, char** argv) {
  constexpr std::int64_t pages = 8, slots = 2, features = 3;
  const auto device = multibuffer::Device::open(argc > 1 ? argv[1] : "auto");

  // What a model has on its device: a pool of pages, and the pages of each sequence, -1 where none
  // is.
  std::vector<float> pool(pages * slots * features);
  std::iota(pool.begin(), pool.end(), 0.0F);
  const std::array<std::int64_t, 3> pool_shape{pages, slots, features};
  const auto cache = multibuffer::upload(
      multibuffer::ArrayView::dense(pool.data(), pool_shape, multibuffer::Format("f", 4)), device);
  const std::array<std::int32_t, 4> blocks{5, 2, 7, -1};
  const std::array<std::int64_t, 2> blocks_shape{2, 2};
  const auto block_table = multibuffer::DeviceBuffer::from_host(device, blocks.data(), blocks_shape,
                                                                multibuffer::Format("i", 4));

  // (sequences, blocks, slots, features): nothing moves, and the table is read at each use.
  const auto paged = cache.through(0, block_table);

  // Token by token: three of the first sequence, one of the second.
  const std::vector<std::int64_t> sequence{0, 0, 0, 1}, block{0, 0, 1, 0}, slot{0, 1, 0, 1};
  using multibuffer::Indices;
  const std::vector<Indices> tokens{Indices(sequence), Indices(block), Indices(slot)};
  const auto keys = gather(paged, multibuffer::Selection::at(tokens));  // one launch
  for (const float number : keys.to_host<float>()) std::cout << number << ' ';
}
