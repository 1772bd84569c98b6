// Arrays that do not fit on a device.

#include <multibuffer/cuda/stream.hpp>
#include <multibuffer/multibuffer.hpp>

#include "tests/fake_cuda/fake_cuda.hpp"
#include "tests/testing/throws.hpp"

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace multibuffer {
namespace {

using testing::expect_error;

constexpr std::int64_t MiB = 1 << 20;

/// 64 MiB in rows of 64 KiB, the last first.
struct Rows {
  std::vector<std::byte> memory;
  std::vector<const std::byte*> pointers;

  Rows() : memory(64 * MiB) {
    for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<std::byte>(i * 31 >> 7);
    for (std::size_t i = 1024; i-- > 0;) pointers.push_back(memory.data() + i * 65536);
  }
  ArrayView view() const {
    return ArrayView(pointers.data(), Format(), Layout({{1024, 8, 0}, {65536, 1, 1}}, {0, 0}));
  }
};

TEST(MemoryLimit, AnArrayThatDoesNotFitIsGatheredInPieces) {
  const Rows rows;
  const Device device = Device::open("cuda:2");
  const auto before =
      static_cast<std::int64_t>(device.info().memory_bytes - device.info().free_bytes.value());
  const fake_cuda::MemoryLimit limit(2, before + 8 * MiB);
  expect_error(Errc::out_of_device_memory, "67108864 bytes", [&] { upload(rows.view(), device); });
  for (const std::int64_t asked : {std::int64_t{0}, 2 * MiB}) {
    const DeviceBuffer result = gather_in_pieces(rows.view(), device, {}, {.memory_limit = asked});
    for (std::size_t i = 0; i < 1024; ++i)
      ASSERT_EQ(std::memcmp(result.data() + i * 65536, rows.pointers[i], 65536), 0);
  }
}

TEST(MemoryLimit, ARequestThatTouchesLittleBringsLittle) {
  const Rows rows;
  const Device device = Device::open("cuda:2");
  const fake_cuda::MemoryLimit limit(
      2, device.info().memory_bytes - device.info().free_bytes.value() + MiB);
  const std::vector<std::int64_t> far{1023, 0, 512, 0};
  Selection request;
  request.groups = {{{0}, {Indices(far)}, {}}};
  const int allocations = fake_cuda::counts().allocations;
  const DeviceBuffer result = gather_in_pieces(rows.view(), device, request);
  EXPECT_LE(fake_cuda::counts().allocations - allocations, 24);  // a few for each of the rows
  for (std::size_t i = 0; i < far.size(); ++i)
    EXPECT_EQ(std::memcmp(result.data() + i * 65536,
                          rows.pointers[static_cast<std::size_t>(far[i])], 65536),
              0);
}

/// On the library's own stream, and on the one of the caller's that the allocation names.
TEST(MemoryLimit, MemoryThatIsFreedAfterWorkIsWaitedFor) {
  const std::vector<std::byte> memory(700 << 10, std::byte{5});
  const auto view_of = [&](std::int64_t bytes) {
    return ArrayView::dense(memory.data(), std::array{bytes}, Format("B", 1));
  };
  const Device device = Device::open("cuda:2");
  cudaStream_t callers = nullptr;
  ASSERT_EQ(cudaSetDevice(2), cudaSuccess);
  ASSERT_EQ(cudaStreamCreateWithFlags(&callers, cudaStreamNonBlocking), cudaSuccess);
  for (const StreamRef stream : {StreamRef(), cuda::stream_ref(callers)}) {
    device.synchronize();
    const fake_cuda::MemoryLimit limit(
        2, device.info().memory_bytes - device.info().free_bytes.value() + MiB);
    UploadOptions options;
    options.stream = stream;
    upload(view_of(600 << 10), device, options);
    upload(view_of(1), device, options);  // a caller's stream is named again
    const DeviceArray larger = upload(view_of(700 << 10), device, options);
    EXPECT_EQ(copy(larger.slice(0, {-9, {}, 1})).to_host(), std::vector(9, std::byte{5}));
  }
  EXPECT_EQ(cudaStreamDestroy(callers), cudaSuccess);
  EXPECT_EQ(cudaSetDevice(0), cudaSuccess);
}

TEST(MemoryLimit, AnElementThatNeedsMoreIsAnErrorWithTheSizes) {
  const std::vector<std::byte> memory(4096);
  const std::int64_t shape[] = {4};
  const ArrayView view = ArrayView::dense(memory.data(), shape, Format("1024s", 1024));
  expect_error(Errc::out_of_device_memory, "and 500 may be used for a piece",
               [&] { gather_in_pieces(view, Device::open("cuda:2"), {}, {.memory_limit = 1000}); });
}

}  // namespace
}  // namespace multibuffer
