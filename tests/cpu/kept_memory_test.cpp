#include "host/cpu/kept_memory.hpp"

#include <multibuffer/stages/large_vector.hpp>

#include "host/support/sanitizers.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

namespace multibuffer {
namespace {

constexpr std::size_t mebibyte = std::size_t{1} << 20;

class KeptMemory : public ::testing::Test {
 protected:
  void SetUp() override {
    if (has_address_sanitizer) {
      GTEST_SKIP() << "nothing is kept, so that the sanitizer sees memory that was given back";
    }
  }
};

TEST_F(KeptMemory, IsUsedAgainForAResultOfAboutItsSize) {
  void* const first = allocate_kept(3 * mebibyte);
  std::memset(first, 1, 3 * mebibyte);
  deallocate_kept(first, 3 * mebibyte);
  void* const smaller = allocate_kept(3 * mebibyte - 1000);
  EXPECT_EQ(smaller, first);
  void* const other = allocate_kept(3 * mebibyte);
  EXPECT_NE(other, first);
  deallocate_kept(smaller, 3 * mebibyte - 1000);
  void* const much_smaller = allocate_kept(2 * mebibyte);
  EXPECT_NE(much_smaller, first);
  for (const auto& [memory, bytes] : {std::pair{other, 3 * mebibyte}, {much_smaller, 2 * mebibyte}})
    deallocate_kept(memory, bytes);
}

TEST_F(KeptMemory, IsBounded) {
  std::vector<void*> blocks;
  for (int i = 0; i < 40; ++i) blocks.push_back(allocate_kept(4 * mebibyte));
  for (void* const block : blocks) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % large_alignment, 0U);
    deallocate_kept(block, 4 * mebibyte);
    EXPECT_LE(kept_bytes(), most_kept_bytes);
  }
  EXPECT_EQ(kept_bytes(), most_kept_bytes);
  const std::size_t before = kept_bytes();
  deallocate_kept(allocate_kept(2 * most_kept_bytes), 2 * most_kept_bytes);  // too large
  deallocate_kept(allocate_kept(100), 100);                                  // too small
  EXPECT_EQ(kept_bytes(), before);
  // Just below the bound: rounded up, it is above.
  deallocate_kept(allocate_kept(most_kept_bytes - 1), most_kept_bytes - 1);
  EXPECT_LE(kept_bytes(), most_kept_bytes);
}

TEST_F(KeptMemory, IsForAnyThread) {
  std::vector<std::thread> threads;
  for (unsigned char number = 1; number <= 4; ++number)
    threads.emplace_back([number] {
      for (int round = 0; round < 200; ++round) {
        const std::size_t bytes = mebibyte + static_cast<std::size_t>(round) * 5000;
        auto* const block = static_cast<unsigned char*>(allocate_kept(bytes));
        block[0] = block[bytes - 1] = number;
        std::this_thread::yield();
        EXPECT_EQ(block[0], number);
        EXPECT_EQ(block[bytes - 1], number);
        deallocate_kept(block, bytes);
      }
    });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(KeptMemory, IsThereInTheChildOfAFork) {
  deallocate_kept(allocate_kept(mebibyte), mebibyte);
  const pid_t child = fork();
  if (child == 0) {
    deallocate_kept(allocate_kept(mebibyte), mebibyte);
    _exit(0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace multibuffer
