#include "host/cpu/kept_memory.hpp"

#include <multibuffer/stages/large_vector.hpp>

#include "host/support/index_of.hpp"
#include "host/support/process_lock.hpp"
#include "host/support/sanitizers.hpp"
#include "host/support/threshold.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <mutex>
#include <new>
#include <utility>

namespace multibuffer {
namespace {

/// Smaller blocks the C library keeps by itself.
constexpr Threshold least_kept_bytes{std::int64_t{256} << 10, 64};

/// The sanitizer is to see who uses memory that was given back.
constexpr bool keeps = !has_address_sanitizer;

struct Block {
  void* memory = nullptr;
  std::size_t bytes = 0;
};

/// The blocks that are kept, those given back first in front.
struct Kept {
  std::array<Block, 16> blocks;
  std::size_t count = 0;
  std::size_t bytes = 0;

  Block remove(std::size_t at) {
    const Block block = blocks[at];
    std::move(blocks.begin() + static_cast<std::ptrdiff_t>(at) + 1,
              blocks.begin() + static_cast<std::ptrdiff_t>(count),
              blocks.begin() + static_cast<std::ptrdiff_t>(at));
    --count;
    bytes -= block.bytes;
    return block;
  }
  void add(const Block& block) {
    blocks[count++] = block;
    bytes += block.bytes;
  }
};

// Never destroyed: results may be, after main.
Kept& kept() {
  static auto& all = *new Kept;
  return all;
}
std::mutex& mutex() { return process_mutex(ProcessLock::kept_memory); }

/// Sizes in steps of an eighth of a power of two, so that results of nearly the same size share.
std::size_t rounded(std::size_t bytes) {
  const std::size_t step = std::bit_floor(bytes) / 8;
  return (bytes + step - 1) / step * step;
}

bool is_kept(std::size_t bytes) {
  return keeps && bytes >= index_of(least_kept_bytes) && bytes <= most_kept_bytes;
}

/// Gives all that is kept back to the system; returns whether there was anything.
bool give_up_all() {
  Kept given_up;
  {
    const std::lock_guard lock(mutex());
    std::swap(given_up, kept());
  }
  for (std::size_t i = 0; i < given_up.count; ++i)
    deallocate_large(given_up.blocks[i].memory, given_up.blocks[i].bytes);
  return given_up.count > 0;
}

}  // namespace

void* allocate_kept(std::size_t bytes) {
  const std::size_t size = is_kept(bytes) ? rounded(bytes) : bytes;
  if (is_kept(bytes)) {
    const std::lock_guard lock(mutex());
    Kept& all = kept();
    for (std::size_t i = all.count; i-- > 0;)  // what was given back last is in the caches
      if (all.blocks[i].bytes == size) return all.remove(i).memory;
  }
  try {
    return allocate_large(size);
  } catch (const std::bad_alloc&) {
    if (!give_up_all()) throw;
    return allocate_large(size);
  }
}

void deallocate_kept(void* memory, std::size_t bytes) noexcept {
  if (!is_kept(bytes)) return deallocate_large(memory, bytes);
  const Block block{memory, rounded(bytes)};
  if (block.bytes > most_kept_bytes) return deallocate_large(memory, block.bytes);
  std::array<Block, 17> dropped;
  std::size_t drops = 0;
  {
    const std::lock_guard lock(mutex());
    Kept& all = kept();
    while (all.count == all.blocks.size() ||
           (all.count > 0 && all.bytes + block.bytes > most_kept_bytes))
      dropped[drops++] = all.remove(0);
    all.add(block);
  }
  for (std::size_t i = 0; i < drops; ++i) deallocate_large(dropped[i].memory, dropped[i].bytes);
}

std::size_t kept_bytes() {
  const std::lock_guard lock(mutex());
  return kept().bytes;
}

}  // namespace multibuffer
