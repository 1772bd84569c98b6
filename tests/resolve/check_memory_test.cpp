#include <multibuffer/multibuffer.hpp>
#include <multibuffer/stages/resolve.hpp>

#include "host/resolve/readable_memory.hpp"
#include "host/support/text.hpp"
#include "tests/testing/throws.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace multibuffer {
namespace {

using testing::expect_error;

const Format bytes;

/// Pages that can be read and pages that cannot, as a pattern says: "rr-r".
class Pages {
 public:
  explicit Pages(const std::string& pattern)
      : size_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))), count_(pattern.size()) {
    void* const memory =
        mmap(nullptr, size_ * (count_ + 2), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    first_ = static_cast<std::byte*>(memory) + size_;
    for (std::size_t i = 0; i < count_; ++i)
      if (pattern[i] == 'r') mprotect(page(i), size_, PROT_READ | PROT_WRITE);
  }
  ~Pages() { munmap(first_ - size_, size_ * (count_ + 2)); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  std::byte* page(std::size_t i) const { return first_ + i * size_; }
  std::int64_t size() const { return static_cast<std::int64_t>(size_); }
  void put(std::byte* slot, const void* pointer) const { std::memcpy(slot, &pointer, 8); }

 private:
  std::size_t size_;
  std::size_t count_;
  std::byte* first_;
};

std::uint64_t number(const void* address) { return reinterpret_cast<std::uintptr_t>(address); }

Resolution checked(const ArrayView& view, Aliases aliases = Aliases::found) {
  return resolve(view, {.aliases = aliases, .checked = true});
}

// With the list of mappings, and where there is none.
class ReadableMemoryBy : public ::testing::TestWithParam<const char*> {};

TEST_P(ReadableMemoryBy, KnowsWhatCanBeRead) {
  const Pages pages("rr-r");
  ReadableMemory memory(GetParam());
  const auto holds = [&](const std::byte* begin, std::int64_t count) {
    return memory.holds(number(begin), number(begin) + static_cast<std::uint64_t>(count));
  };
  const std::int64_t page = pages.size();
  EXPECT_TRUE(holds(pages.page(0), 2 * page));
  EXPECT_TRUE(holds(pages.page(0) + 5, 1));
  EXPECT_FALSE(holds(pages.page(0) - 1, 1));
  EXPECT_FALSE(holds(pages.page(0) - 1, 2));
  EXPECT_FALSE(holds(pages.page(1), page + 1));
  EXPECT_FALSE(holds(pages.page(2), 1));
  EXPECT_FALSE(holds(pages.page(0), 4 * page));
  EXPECT_TRUE(holds(pages.page(3), page));
  EXPECT_FALSE(holds(pages.page(3), page + 1));
  const int on_the_stack = 0;
  EXPECT_TRUE(holds(reinterpret_cast<const std::byte*>(&on_the_stack), sizeof on_the_stack));
  EXPECT_TRUE(holds(reinterpret_cast<const std::byte*>("a literal"), 9));
  EXPECT_FALSE(memory.holds(0, 1));
  EXPECT_FALSE(memory.holds(UINT64_MAX - 4, UINT64_MAX));
  EXPECT_FALSE(memory.holds(std::uint64_t{1} << 63, (std::uint64_t{1} << 63) + 8));
}

INSTANTIATE_TEST_SUITE_P(Each, ReadableMemoryBy,
                         ::testing::Values("/proc/self/maps", "/no such file"), [](const auto& by) {
                           return std::string(by.index == 0 ? "TheList" : "Trying");
                         });

TEST(ReadableMemory, MappingsOfTwoFilesAreTwoRanges) {
  const Pages pages("--");
  const auto size = static_cast<std::size_t>(pages.size());
  for (std::size_t i = 0; i < 2; ++i) {
    const int file = memfd_create("a file", 0);
    ASSERT_EQ(ftruncate(file, pages.size()), 0);
    ASSERT_EQ(mmap(pages.page(i), size, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 0),
              pages.page(i));
    close(file);
  }
  ReadableMemory memory;
  EXPECT_TRUE(memory.holds(number(pages.page(0)), number(pages.page(0)) + size));
  EXPECT_TRUE(memory.holds(number(pages.page(1)), number(pages.page(1)) + size));
  EXPECT_FALSE(memory.holds(number(pages.page(0)), number(pages.page(0)) + 2 * size));
}

TEST(CheckedResolve, IsTheSameWhereAllCanBeRead) {
  const Pages pages("r-r");
  const std::array<const std::byte*, 3> rows{pages.page(0), pages.page(2) + 100, pages.page(0)};
  const ArrayView view = ArrayView(rows.data(), bytes, Layout({{3, 8, 0}, {9, 2, 1}}, {0, 5}));
  for (const Aliases aliases : {Aliases::found, Aliases::ignored}) {
    const Resolution plain = resolve(view, {.aliases = aliases});
    const Resolution with = checked(view, aliases);
    EXPECT_EQ(with.layout, plain.layout);
    EXPECT_EQ(with.tables, plain.tables);
    EXPECT_EQ(with.leaves, plain.leaves);
  }
}

TEST(CheckedResolve, NamesTheIndexOfATableThatEndsTooEarly) {
  const Pages pages("r");
  std::byte* const end = pages.page(0) + pages.size();
  for (int i = 1; i <= 4; ++i) pages.put(end - 8 * i, pages.page(0));
  const ArrayView table(end - 32, bytes, Layout({{5, 8, 0}, {3, 1, 1}}, {0, 0}));
  expect_error(Errc::unreadable_memory,
               text("the table of level 0, at index [4, :] of shape (5, 3) would be 8 bytes at ",
                    static_cast<const void*>(end), ", where axis 0 leads"),
               [&] { checked(table); });
  checked(table.slice(0, {{}, 4}));
  // Backwards, from the first slot that is there.
  const ArrayView backwards(pages.page(0), bytes, Layout({{2, -8, 0}}, {0, 0}));
  pages.put(pages.page(0), pages.page(0));
  expect_error(Errc::unreadable_memory, "at index [1] of shape (2,)", [&] { checked(backwards); });
}

TEST(CheckedResolve, NamesTheIndexOfAPointerThatLeadsNowhere) {
  const Pages pages("r");
  std::array<const std::byte*, 4> rows{pages.page(0), pages.page(0) + 50, nullptr, pages.page(0)};
  const ArrayView view(rows.data(), bytes, Layout({{4, 8, 0}, {10, 1, 1}}, {0, 0}));
  for (const std::uint64_t wild : {std::uint64_t{16}, number(pages.page(0) + pages.size()),
                                   std::uint64_t{1} << 63, UINT64_MAX - 3}) {
    rows[2] = reinterpret_cast<const std::byte*>(wild);  // NOLINT(performance-no-int-to-ptr)
    for (const Aliases aliases : {Aliases::found, Aliases::ignored})
      expect_error(Errc::unreadable_memory, "the element at index [2, 0] of shape (4, 10)",
                   [&] { checked(view, aliases); });
  }
  rows[2] = pages.page(0) + pages.size() - 9;
  expect_error(Errc::unreadable_memory, "index [2, 9] of shape (4, 10) would be 1 bytes at ",
               [&] { checked(view); });
  rows[2] = pages.page(0) + pages.size() - 10;
  checked(view);
  rows[2] = nullptr;
  expect_error(Errc::null_pointer, "index [2, :]", [&] { checked(view); });
}

TEST(CheckedResolve, NamesTheWholePathThroughSeveralLevels) {
  const Pages pages("r");
  const std::array<const std::byte*, 2> inner{pages.page(0), pages.page(0) + pages.size() - 1};
  const std::array<const void*, 2> outer{inner.data(), inner.data()};
  const ArrayView view(outer.data(), bytes, Layout({{2, 8, 0}, {2, 8, 1}, {2, 1, 2}}, {0, 0, 0}));
  expect_error(Errc::unreadable_memory, "the element at index [0, 1, 1] of shape (2, 2, 2)",
               [&] { checked(view); });
  const std::array<const void*, 2> wild{inner.data(), pages.page(0) - 8};
  const ArrayView lost(wild.data(), bytes, Layout({{2, 8, 0}, {2, 8, 1}, {1, 1, 2}}, {0, 0, 0}));
  expect_error(Errc::unreadable_memory,
               "the table of level 1, at index [1, 0, :] of shape (2, 2, 1)",
               [&] { checked(lost); });
}

TEST(CheckedResolve, LeavesOutWhatLiesBetweenTheSlots) {
  const Pages pages("r-r-r");
  const std::int64_t apart = 2 * pages.size(), slots = pages.size() / 8;
  for (std::size_t page : {0u, 2u, 4u})
    for (std::int64_t i = 0; i < slots; ++i) pages.put(pages.page(page) + 8 * i, pages.page(0));
  checked(ArrayView(pages.page(0), bytes, Layout({{3, apart, 0}, {slots, 8, 0}}, {0, 0})));
  // The nearer axis first.
  checked(ArrayView(pages.page(0), bytes, Layout({{slots, 8, 0}, {3, apart, 0}}, {0, 0})));
  const ArrayView one_more(pages.page(0), bytes,
                           Layout({{3, apart, 0}, {slots + 1, 8, 0}}, {0, 0}));
  expect_error(
      Errc::unreadable_memory,
      text("the table of level 0, at index [0, ", slots, "] of shape (3, ", slots + 1, ")"),
      [&] { checked(one_more); });
}

TEST(CheckedResolve, WantsWhatLiesBetweenElements) {
  const Pages pages("r-r");
  const ArrayView view(pages.page(0), bytes, Layout({{3, 1, 0}, {2, 2 * pages.size(), 0}}, {0}));
  expect_error(Errc::unreadable_memory,
               text("the element at index [0, 0] of shape (3, 2), at ",
                    static_cast<const void*>(pages.page(0)), ", and those after it along axis 1"),
               [&] { checked(view); });
}

TEST(CheckedResolve, TakesTimeForMemoryAndNotForTheShape) {
  const Pages pages("r");
  constexpr std::int64_t endless = std::int64_t{1} << 61;
  expect_error(Errc::unreadable_memory, text("index [", pages.size(), "]"), [&] {
    checked(ArrayView(pages.page(0), bytes, Layout({{endless, 1, 0}}, {0})));
  });
  checked(ArrayView(pages.page(0), bytes, Layout({{endless, 0, 0}}, {0})));
  expect_error(Errc::unreadable_memory, "index [1]", [&] {
    checked(ArrayView(pages.page(0), bytes, Layout({{3, -endless, 0}}, {0})));
  });
}

TEST(CheckedResolve, TrustsMemoryOnADevice) {
  std::array<std::uint64_t, 2> rows{16, 4096};
  const ArrayView view(rows.data(), bytes, Layout({{2, 8, 0}, {4, 1, 1}}, {0, 0}), true,
                       MemorySpace::device);
  EXPECT_EQ(checked(view).leaves.size(), 2);
}

TEST(CheckedUpload, RefusesBeforeAnythingIsRead) {
  const Pages pages("r");
  const std::array<const std::byte*, 2> rows{pages.page(0), pages.page(0) - 1};
  const ArrayView view(rows.data(), bytes, Layout({{2, 8, 0}, {4, 1, 1}}, {0, 0}));
  for (const PlacementKind kind : {PlacementKind::automatic, PlacementKind::packed,
                                   PlacementKind::preserved, PlacementKind::in_place}) {
    UploadOptions options;
    options.placement = kind;
    options.checked = true;
    expect_error(Errc::unreadable_memory, "index [1, 0]",
                 [&] { upload(view, Device::host(), options); });
  }
  UploadOptions options;
  options.checked = options.keep_sources = true;
  expect_error(Errc::unreadable_memory, "index [1, 0]",
               [&] { upload(view, Device::host(), options); });
}

TEST(CheckedUpload, NamesTheRaggedRow) {
  const Pages pages("r");
  const std::byte* const end = pages.page(0) + pages.size();
  const std::array<const std::byte*, 4> starts{pages.page(0), nullptr, end - 3, end};
  UploadOptions options;
  options.checked = true;
  const auto rows = [&](const std::array<std::int64_t, 4>& lengths) {
    return RaggedView(starts, lengths, bytes);
  };
  upload(rows({pages.size(), 0, 3, 0}), Device::host(), options);
  expect_error(Errc::unreadable_memory, "row 2 of 4 would be 4 bytes", [&] {
    upload(rows({1, 0, 4, 0}), Device::host(), options);
  });
  expect_error(Errc::unreadable_memory, "row 3 of 4 would be 1 bytes", [&] {
    upload(rows({1, 0, 3, 1}), Device::host(), options);
  });
}

}  // namespace
}  // namespace multibuffer
