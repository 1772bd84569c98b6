// What several threads may do at a time: everything to one array, its views and its results. The
// thread sanitizer sees what they touch; the results show what they read.

#include <multibuffer/dlpack.hpp>
#include <multibuffer/multibuffer.hpp>

#include "tests/testing/on_device.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace multibuffer {
namespace {

using Numbers = std::vector<std::int32_t>;

constexpr int threads = 4;
constexpr int rounds = 200;
constexpr std::int64_t row_count = 64;
constexpr std::int64_t length = 33;

/// Runs `work(thread)` on several threads that begin at the same time.
template <class Work>
void on_threads(const Work& work) {
  std::atomic<int> waiting = threads;
  std::vector<std::thread> all;
  all.reserve(threads);
  for (int thread = 0; thread < threads; ++thread)
    all.emplace_back([&, thread] {
      --waiting;
      while (waiting > 0) std::this_thread::yield();
      try {
        work(thread);
      } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
      }
    });
  for (std::thread& thread : all) thread.join();
}

/// Rows that need a table: the first of them is `first`, `first` + 1, ...
class Rows {
 public:
  explicit Rows(std::int32_t first = 0) : numbers_(row_count * length) {
    std::iota(numbers_.begin(), numbers_.end(), first);
    for (std::int64_t row = 0; row < row_count; ++row)
      pointers_.push_back(numbers_.data() + row * 29 % row_count * length);
  }
  ArrayView view() const { return ArrayView::from_rows(pointers_, length); }
  const std::int32_t* row(std::int64_t i) const { return pointers_[static_cast<std::size_t>(i)]; }
  const std::vector<const std::int32_t*>& pointers() const { return pointers_; }
  Numbers all() const {
    Numbers numbers;
    for (const std::int32_t* row : pointers_) numbers.insert(numbers.end(), row, row + length);
    return numbers;
  }

 private:
  Numbers numbers_;
  std::vector<const std::int32_t*> pointers_;
};

class Threads : public testing::OnDevice {
 protected:
  DeviceArray uploaded(const Rows& rows) const { return upload(rows.view(), device()); }
};

TEST_P(Threads, UploadTheSameRows) {
  const Rows rows;
  const ArrayView view = rows.view();
  on_threads([&](int thread) {
    for (int round = 0; round < rounds; ++round) {
      UploadOptions options;
      options.placement =
          (thread + round) % 2 == 0 ? PlacementKind::packed : PlacementKind::preserved;
      EXPECT_EQ(copy(upload(view, device(), options)).to_host<std::int32_t>(), rows.all());
    }
  });
}

TEST_P(Threads, GatherFromOneArrayAndItsViews) {
  const Rows rows;
  const DeviceArray array = uploaded(rows);
  on_threads([&](int thread) {
    for (int round = 0; round < rounds; ++round) {
      const DeviceArray view = array.slice(1, {thread, {}, 1}).reverse(1);
      const std::array<std::int64_t, 3> indices{(thread + round) % row_count, 5, 63};
      const Numbers taken = take(view, 0, Indices(indices)).to_host<std::int32_t>();
      Numbers expected;
      for (const std::int64_t row : indices)
        for (std::int64_t column = length; column-- > thread;)
          expected.push_back(rows.row(row)[column]);
      EXPECT_EQ(taken, expected);
    }
  });
}

TEST_P(Threads, DropTheLastHandles) {
  const Rows rows;
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::optional<DeviceArray>> handles(threads, uploaded(rows));
    std::vector<std::optional<DeviceBuffer>> results(threads, copy(*handles[0]));
    on_threads([&](int thread) {
      const auto own = static_cast<std::size_t>(thread);
      const DeviceBuffer again = copy(*handles[own]);
      handles[own].reset();
      if (thread % 2 == 0) {
        EXPECT_EQ(results[own]->to_host<std::int32_t>(), rows.all());
      }
      results[own].reset();
      EXPECT_EQ(again.to_host<std::int32_t>(), rows.all());
    });
  }
}

TEST_P(Threads, ReadTheOldElementsOrTheNewOnes) {
  if (device().kind() == DeviceKind::host)
    GTEST_SKIP() << "on the host it is for the caller to order an update and what reads meanwhile";
  // Every element of one update is the same number.
  const std::vector<Numbers> contents = [] {
    std::vector<Numbers> all;
    for (std::int32_t number = 0; number < threads; ++number)
      all.emplace_back(row_count * length, number);
    return all;
  }();
  const auto view_of = [&](std::size_t which) {
    std::vector<const std::int32_t*> pointers;
    for (std::int64_t row = 0; row < row_count; ++row)
      pointers.push_back(contents[which].data() + row * 29 % row_count * length);
    return pointers;
  };
  const auto first = view_of(0);
  const DeviceArray array = upload(ArrayView::from_rows(first, length), device());
  on_threads([&](int thread) {
    const auto pointers = view_of(static_cast<std::size_t>(thread));
    for (int round = 0; round < rounds; ++round) {
      if (thread % 2 == 1) {
        update(array, ArrayView::from_rows(pointers, length));
        continue;
      }
      const Numbers seen = copy(array).to_host<std::int32_t>();
      EXPECT_EQ(std::ranges::count(seen, seen.front()), row_count * length);
    }
  });
}

TEST_P(Threads, UpdatePointersOfOneArray) {
  const Rows rows;
  const Rows others(1'000'000);
  UploadOptions options;
  options.keep_sources = true;
  const DeviceArray array = upload(rows.view(), device(), options);
  on_threads([&](int thread) {
    for (int round = 0; round < rounds; ++round) {
      std::vector<const std::int32_t*> pointers = rows.pointers();
      for (int i = 0; i <= thread; ++i)
        pointers[static_cast<std::size_t>(i)] = others.row(i + round % 8);
      Numbers expected;
      for (const std::int32_t* row : pointers) expected.insert(expected.end(), row, row + length);
      const DeviceArray changed = update_pointers(array, ArrayView::from_rows(pointers, length));
      EXPECT_EQ(copy(changed).to_host<std::int32_t>(), expected);
    }
  });
  EXPECT_EQ(copy(array).to_host<std::int32_t>(), rows.all());
}

TEST_P(Threads, PackAndPadAndTakeRaggedRows) {
  const Rows rows;
  std::vector<std::int64_t> lengths;
  for (std::int64_t row = 0; row < row_count; ++row) lengths.push_back(row % length);
  const RaggedArray array =
      upload(RaggedView::from_rows(rows.pointers().data(), lengths), device());
  Numbers packed;
  for (std::int64_t row = 0; row < row_count; ++row)
    packed.insert(packed.end(), rows.row(row), rows.row(row) + row % length);
  on_threads([&](int thread) {
    for (int round = 0; round < rounds; ++round) {
      switch ((thread + round) % 3) {
        case 0:
          EXPECT_EQ(pack(array).values.to_host<std::int32_t>(), packed);
          break;
        case 1: {
          const std::array<std::int64_t, 2> indices{3, 40};
          const DeviceBuffer padded = pad(array, {.indices = Indices(indices)});
          EXPECT_EQ(padded.shape(), (std::vector<std::int64_t>{2, 40 % length}));
          EXPECT_EQ(padded.to_host<std::int32_t>()[7], rows.row(40)[0]);
          break;
        }
        default: {
          const std::array<std::int64_t, 1> indices{thread + 1};
          const RaggedArray taken = take(array, {.indices = Indices(indices)});
          EXPECT_EQ(copy(taken.row(0)).to_host<std::int32_t>(),
                    Numbers(rows.row(thread + 1), rows.row(thread + 1) + thread + 1));
        }
      }
    }
  });
}

TEST_P(Threads, HandResultsToOthers) {
  const Rows rows;
  const DeviceArray array = uploaded(rows);
  std::mutex mutex;
  std::vector<dlpack::ManagedTensorVersioned*> tensors;
  on_threads([&](int) {
    for (int round = 0; round < rounds; ++round) {
      const DeviceBuffer result = copy(array);
      result.synchronize();  // a tensor by itself orders nothing
      dlpack::ManagedTensorVersioned* tensor = dlpack::to_versioned(result);
      {
        // The one that another thread has left is taken, and freed here.
        const std::lock_guard lock(mutex);
        tensors.push_back(tensor);
        tensor = tensors.size() > 3 ? tensors.front() : nullptr;
        if (tensor) tensors.erase(tensors.begin());
      }
      if (!tensor) continue;
      EXPECT_EQ(dlpack::take(tensor).to_host<std::int32_t>(), rows.all());
    }
  });
  for (dlpack::ManagedTensorVersioned* tensor : tensors) tensor->deleter(tensor);
}

INSTANTIATE_TEST_SUITE_P(On, Threads, ::testing::Values("host", "cuda"),
                         [](const auto& tested) { return std::string(tested.param); });

// Loops of the host are themselves on several threads; several of them are under way at a time.

TEST(ThreadsOfTheHost, GatherMuchAtATime) {
  constexpr std::int64_t wide = std::int64_t{1} << 16;
  std::vector<std::int32_t> numbers(64 * wide);
  std::iota(numbers.begin(), numbers.end(), 0);
  std::vector<const std::int32_t*> pointers;
  for (std::int64_t row = 0; row < 64; ++row)
    pointers.push_back(numbers.data() + row * 29 % 64 * wide);
  const DeviceArray array = upload(ArrayView::from_rows(pointers, wide), Device::open("host"));
  on_threads([&](int thread) {
    const std::array<std::int64_t, 16> indices{thread, 3, 9, 60, 1, 2,  3,  4,
                                               5,      6, 7, 8,  9, 10, 11, 12};
    for (int round = 0; round < 3; ++round) {
      const DeviceBuffer result = take(array, 0, Indices(indices));
      const std::span<const std::int32_t> seen = result.as_span<const std::int32_t>();
      for (std::size_t row = 0; row < indices.size(); ++row)
        EXPECT_TRUE(std::equal(pointers[static_cast<std::size_t>(indices[row])],
                               pointers[static_cast<std::size_t>(indices[row])] + wide,
                               seen.begin() + static_cast<std::ptrdiff_t>(row) * wide));
    }
  });
}

}  // namespace
}  // namespace multibuffer
