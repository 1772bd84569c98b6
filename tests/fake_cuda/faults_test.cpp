// Every call of CUDA and every allocation that fails, one after the other, in each use of a device.

#include <multibuffer/cuda/stream.hpp>
#include <multibuffer/dataset.hpp>
#include <multibuffer/multibuffer.hpp>

#include "cuda/kernels/launch.hpp"
#include "cuda/memory/check.hpp"
#include "cuda/memory/context.hpp"
#include "host/backend/backend.hpp"
#include "host/upload/internals.hpp"
#include "tests/fake_cuda/fake_cuda.hpp"
#include "tests/faults/array_scenarios.hpp"
#include "tests/faults/inject.hpp"
#include "tests/testing/failing_allocation.hpp"
#include "tests/testing/own_work.hpp"
#include "tests/testing/scratch.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

namespace multibuffer::cuda {
namespace {

using fake_cuda::FailingCall;
using testing::Armed;
using testing::Bytes;
using testing::bytes_of_values;
using testing::expect_error;
using testing::Job;
using testing::NumberRows;
using testing::Numbers;
using testing::Outcome;
using testing::OwnWork;
using testing::Scenario;
using testing::Seam;
using testing::Surroundings;

constexpr std::string_view advice = "this process has lost its CUDA context";

// ---- Ways of failing

class ArmedCall final : public Armed {
 public:
  ArmedCall(std::int64_t number, const FailingCall::How& how)
      : failing_(static_cast<int>(number), how) {}
  bool has_fired() const override { return failing_.has_fired(); }
  std::int64_t seen() const override { return failing_.seen(); }
  std::string what() const override { return failing_.call(); }

 private:
  FailingCall failing_;
};

bool is(const Outcome& outcome, Errc code) { return outcome.code == static_cast<int>(code); }

bool says(const Outcome& outcome, std::string_view part) {
  return outcome.what.find(part) != std::string::npos;
}

Seam calls() {
  return {.name = "calls",
          .arm =
              [](std::int64_t chances) {
                return std::make_unique<ArmedCall>(chances, FailingCall::How());
              },
          .complaint = [](const Armed& armed, const Outcome& outcome) -> std::string {
            if (outcome.kind == Outcome::Kind::right) return {};
            const std::string call = armed.what();
            if (call == "cudaMallocAsync" || call == "cudaHostAlloc")
              return is(outcome, Errc::out_of_device_memory)
                         ? ""
                         : "not out_of_device_memory, but: " + outcome.what;
            if (is(outcome, Errc::device_unavailable) && says(outcome, "cuda:")) return {};
            if (!is(outcome, Errc::cuda_failure)) return "not cuda_failure, but: " + outcome.what;
            return says(outcome, call) ? "" : "the call is not named in: " + outcome.what;
          },
          .counts_leaks = true,
          // The streams, and the context, of a device that could not be opened.
          .gives_back =
              [](const std::string& call) {
                return call == "cudaStreamDestroy" || call == "cuDeviceGet";
              }};
}

Seam sticky_errors(cudaError_t error) {
  return {.name = "sticky_errors",
          .arm =
              [error](std::int64_t chances) {
                return std::make_unique<ArmedCall>(
                    chances, FailingCall::How{.error = error, .is_sticky = true});
              },
          .complaint = [](const Armed&, const Outcome& outcome) -> std::string {
            if (outcome.kind == Outcome::Kind::right) return {};
            if (!is(outcome, Errc::cuda_failure) && !is(outcome, Errc::device_unavailable))
              return "not cuda_failure, but: " + outcome.what;
            return says(outcome, advice) ? "" : "no advice in: " + outcome.what;
          },
          .counts_leaks = false,
          .gives_back = [](const std::string&) { return false; }};
}

/// Runs what is enqueued, and frees the blocks that wait for a stream to be named.
void settle() {
  const Device device = Device::open("cuda:0");
  try {
    backend_of(device).allocate(2 * fake_cuda::memory_bytes, {});
  } catch (const OutOfMemory&) {
    // All that can be reclaimed has been.
  }
  fake_cuda::finish_all();
}

Surroundings surroundings() {
  Surroundings all{
      .measures = testing::system_measures(), .settle = settle, .repeats = !fake_cuda::is_random()};
  const auto add = [&](std::string name, auto member) {
    all.measures.push_back({std::move(name), [member] {
                              return static_cast<std::int64_t>(fake_cuda::live().*member);
                            }});
  };
  add("bytes on devices", &fake_cuda::Live::device_bytes);
  add("page-locked bytes", &fake_cuda::Live::page_locked_bytes);
  add("streams", &fake_cuda::Live::streams);
  add("events", &fake_cuda::Live::events);
  add("contexts retained", &fake_cuda::Live::retained_contexts);
  add("contexts pushed", &fake_cuda::Live::current_contexts);
  return all;
}

// ---- Uses of a device

/// Memory that the caller has page-locked, and that is the caller's again as soon as a call has
/// ended: what the device reads or writes there later ends the program.
class PageLocked {
 public:
  explicit PageLocked(std::span<std::byte> memory) : memory_(memory) {
    const OwnWork own;
    MULTIBUFFER_CUDA_CHECK(cudaHostRegister(memory.data(), memory.size(), 0));
  }
  ~PageLocked() {
    const OwnWork own;
    ignore(cudaHostUnregister(memory_.data()));
  }
  PageLocked(const PageLocked&) = delete;
  PageLocked& operator=(const PageLocked&) = delete;

 private:
  std::span<std::byte> memory_;
};

/// The caller's own memory on the device. If a call that writes it fails, nothing may run there any
/// more; once the call has returned, waiting for its work is up to the caller.
class Foreign {
 public:
  explicit Foreign(std::size_t bytes) : bytes_(bytes) {
    const OwnWork own;
    void* data = nullptr;
    MULTIBUFFER_CUDA_CHECK(cudaMalloc(&data, bytes));
    data_ = static_cast<std::byte*>(data);
  }
  ~Foreign() {
    const OwnWork own;
    if (is_written_) fake_cuda::finish_all();
    ignore(cudaFree(data_));
  }
  Foreign(const Foreign&) = delete;
  Foreign& operator=(const Foreign&) = delete;
  void call_has_returned() { is_written_ = true; }
  Output output() const { return {data_, static_cast<std::int64_t>(bytes_), MemorySpace::device}; }

 private:
  std::byte* data_;
  std::size_t bytes_;
  bool is_written_ = false;
};

Stream new_stream() {
  const OwnWork own;
  cudaStream_t stream = nullptr;
  MULTIBUFFER_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return Stream(stream);
}

/// A stream for the time of a job.
class OwnStream {
 public:
  ~OwnStream() {
    const OwnWork own;
    stream_.reset();
  }
  cudaStream_t get() const { return stream_.get(); }
  StreamRef ref() const { return stream_ref(stream_); }

 private:
  Stream stream_ = new_stream();
};

Device the_device() { return Device::open("cuda:0"); }

/// Rows in one block of memory, the last first.
struct Block {
  Numbers numbers;
  std::vector<const std::int32_t*> rows;
  std::int64_t length;

  Block(std::int64_t count, std::int64_t row_length)
      : numbers(static_cast<std::size_t>(count * row_length)), length(row_length) {
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::int32_t>(3 * i);
    for (std::int64_t row = count; row-- > 0;) rows.push_back(numbers.data() + row * length);
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  std::span<std::byte> bytes() { return std::as_writable_bytes(std::span(numbers)); }
  Bytes expected() const {
    Numbers all;
    for (const std::int32_t* row : rows) all.insert(all.end(), row, row + length);
    return bytes_of_values(all);
  }
};

Scenario page_locked(std::string name, std::int64_t count, std::int64_t length) {
  return {std::move(name),
          [=] {
            const auto block = std::make_shared<Block>(count, length);
            return Job{[=] {
                         const DeviceArray array = [&] {
                           const PageLocked memory(block->bytes());
                           return upload(ArrayView::from_rows(block->rows, length), the_device());
                         }();
                         return copy(array).to_host();
                       },
                       block->expected()};
          },
          30};
}

Scenario in_place() {
  return {"upload_in_place",
          [] {
            const auto block = std::make_shared<Block>(24, 50);
            return Job{[=] {
                         const PageLocked memory(block->bytes());
                         UploadOptions options;
                         options.placement = PlacementKind::in_place;
                         options.owner = std::make_shared<int>(0);
                         return copy(upload(ArrayView::from_rows(block->rows, block->length),
                                            the_device(), options))
                             .to_host();
                       },
                       block->expected()};
          },
          30};
}

struct Rows {
  NumberRows source{12, 40};
  DeviceArray array = upload(source.view(), the_device());
};

Scenario on_rows(std::string name, std::function<Bytes(const Rows&)> run, int most_faults = 60) {
  return {std::move(name),
          [=] {
            const auto rows = std::make_shared<Rows>();
            return Job{[=] { return run(*rows); }, bytes_of_values(rows->source.numbers())};
          },
          most_faults};
}

Bytes in_a_graph(const Rows& rows) {
  const OwnStream stream;
  const Plan plan(rows.array, {}, {.stream = stream.ref()});
  cudaGraph_t graph = nullptr;
  const auto end = [&] {
    const OwnWork own;
    return cudaStreamEndCapture(stream.get(), &graph);
  };
  {
    const OwnWork own;
    MULTIBUFFER_CUDA_CHECK(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeGlobal));
  }
  try {
    plan.run();
  } catch (...) {
    ignore(end());
    const OwnWork own;
    if (graph) ignore(cudaGraphDestroy(graph));
    throw;
  }
  MULTIBUFFER_CUDA_CHECK(end());
  {
    const OwnWork own;
    cudaGraphExec_t executable = nullptr;
    MULTIBUFFER_CUDA_CHECK(cudaGraphInstantiate(&executable, graph, 0));
    MULTIBUFFER_CUDA_CHECK(cudaGraphLaunch(executable, stream.get()));
    MULTIBUFFER_CUDA_CHECK(cudaStreamSynchronize(stream.get()));
    MULTIBUFFER_CUDA_CHECK(cudaGraphExecDestroy(executable));
    MULTIBUFFER_CUDA_CHECK(cudaGraphDestroy(graph));
  }
  return plan.result().to_host();
}

/// A consumer's kernel copies what it is given.
Bytes handed_over(const Rows& rows) {
  const OwnStream stream;
  const auto seen = std::make_shared<Bytes>();
  {
    const OwnWork own;
    seen->resize(13 * 160);
  }
  const DeviceBuffer result = copy(rows.array), other = copy(rows.array.reverse(0));
  result.order_before(stream.ref());
  other.order_before(StreamRef::legacy());
  {
    const OwnWork own;
    fake_cuda::enqueue(stream.get(), [seen, from = result.data()] {
      std::memcpy(seen->data(), from, seen->size());
    });
  }
  MULTIBUFFER_CUDA_CHECK(cudaStreamSynchronize(stream.get()));
  return *seen;
}

/// Results that wait for streams to be named, and a block that moves between streams.
Bytes on_streams(const Rows& rows) {
  const OwnStream first, second;
  for (int i = 0; i < 2; ++i) {
    const DeviceBuffer on_first = copy(rows.array, {.stream = first.ref()});
    on_first.order_before(second.ref());
    const DeviceBuffer on_second = copy(rows.array, {.stream = second.ref()});
    on_second.order_before(StreamRef::legacy());
    const Access access(first.ref(), {rows.array}, {on_second});
  }
  GatherOptions options;
  options.stream = second.ref();
  const DeviceBuffer out = copy(rows.array, {.stream = first.ref()});
  options.out = output_of(out);
  return copy(rows.array, options).to_host();
}

Bytes into_foreign_memory(const Rows& rows) {
  Foreign memory(13 * 160);
  GatherOptions options;
  options.out = memory.output();
  const DeviceBuffer result = copy(rows.array.reverse(0).reverse(0), options);
  memory.call_has_returned();
  return result.to_host();
}

Bytes planned_into_foreign_memory(const Rows& rows) {
  Foreign memory(13 * 160);
  GatherOptions options;
  options.out = memory.output();
  const Plan plan(rows.array, {}, options);
  plan.run();
  memory.call_has_returned();
  return plan.run().to_host();
}

Bytes pieces_into_foreign_memory(const Rows& rows) {
  const Foreign memory(13 * 160);
  PiecesOptions options;
  options.gather.out = memory.output();
  options.memory_limit = 1500;
  // Returns when all is there.
  return gather_in_pieces(rows.source.view(), the_device(), {}, options).to_host();
}

Bytes in_page_locked_memory(const Rows& rows) {
  // Large enough for the driver to be asked.
  const DeviceBuffer result = copy(rows.array);
  Bytes bytes(static_cast<std::size_t>(result.nbytes()));
  Bytes room;
  {
    const OwnWork own;
    room.resize(std::size_t{1} << 17);
  }
  const PageLocked memory(room);
  const std::int64_t shape[] = {std::ssize(room)};
  const DeviceBuffer large =
      DeviceBuffer::from_host(the_device(), room.data(), shape, native_format<std::uint8_t>());
  large.copy_to_host(room);
  result.copy_to_host(bytes);
  return bytes;
}

/// A file of all rows.
Bytes from_a_file(const Rows& rows, const std::optional<Output>& out) {
  static const testing::Scratch scratch;
  static const std::string path = [&] {
    const OwnWork own;
    const std::string file = scratch / "rows.npy";
    testing::write_file(
        file, testing::npy_bytes_of("'<i4'", "(13, 40)", testing::bytes_of(rows.source.numbers())));
    return file;
  }();
  ReadOptions options;
  options.device = the_device();
  options.out = out;
  return copy(Dataset::open(path, {.window = 1000}), options).to_host();
}

Bytes file_to_device(const Rows& rows) { return from_a_file(rows, {}); }

Bytes file_into_foreign_memory(const Rows& rows) {
  const Foreign memory(13 * 160);
  return from_a_file(rows, memory.output());
}

Bytes described(const Rows& rows) {
  const DeviceList list = list_devices();
  // A device that cannot be asked is left out; where there is none, there is a reason.
  const bool has_cuda = list.devices.size() > 1;
  if (has_cuda != list.why_no_cuda.empty()) return {};
  static_cast<void>(the_device().info());
  return bytes_of_values(rows.source.numbers());
}

/// Opening a device makes streams and a context, all of which must go if it cannot be opened.
Bytes opened(const Rows& rows) {
  const Context context(1, any_gather_kernel());
  return context.memory_bytes() == fake_cuda::memory_bytes ? bytes_of_values(rows.source.numbers())
                                                           : Bytes();
}

std::vector<Scenario> scenarios() {
  std::vector<Scenario> all = testing::array_scenarios("cuda:0");
  all.push_back(page_locked("upload_straight", 1, 40'000));
  all.push_back(page_locked("upload_batched", 3, 40'000));
  all.push_back(page_locked("upload_pulled", 24, 2'500));
  all.push_back(in_place());
  all.push_back(on_rows("captured_plan", in_a_graph));
  all.push_back(on_rows("hand_over", handed_over));
  all.push_back(on_rows("streams", on_streams, 25));
  all.push_back(on_rows("foreign_output", into_foreign_memory));
  all.push_back(on_rows("foreign_output_of_a_plan", planned_into_foreign_memory));
  all.push_back(on_rows("foreign_output_of_pieces", pieces_into_foreign_memory));
  all.push_back(on_rows("page_locked_destination", in_page_locked_memory));
  all.push_back(on_rows("file_to_device", file_to_device));
  all.push_back(on_rows("file_into_foreign_memory", file_into_foreign_memory));
  all.push_back(on_rows("list_devices", described));
  all.push_back(on_rows("open_device", opened));
  return all;
}

class DeviceFaults : public ::testing::TestWithParam<Scenario> {
 protected:
  void SetUp() override { ASSERT_EQ(cudaSetDevice(0), cudaSuccess); }
};

TEST_P(DeviceFaults, EveryCall) { inject(GetParam(), calls(), surroundings()); }

TEST_P(DeviceFaults, EveryAllocation) {
  inject(GetParam(), testing::allocations(), surroundings());
}

TEST_P(DeviceFaults, TheContextIsLostAtEveryCall) {
  inject(GetParam(), sticky_errors(cudaErrorIllegalAddress), surroundings());
}

INSTANTIATE_TEST_SUITE_P(Uses, DeviceFaults, ::testing::ValuesIn(scenarios()),
                         [](const auto& use) { return use.param.name; });

TEST(Pools, WhatIsGivenBackNeedsNoMemory) {
  const Rows rows;
  const std::vector<std::int64_t> values{12, 0};
  const std::int64_t shape[] = {2};
  const DeviceBuffer indices =
      DeviceBuffer::from_host(the_device(), values.data(), shape, native_format<std::int64_t>());
  std::vector<DeviceBuffer> pending;  // more events and words of bad indices than ever before
  for (int i = 0; i < 200; ++i) pending.push_back(take(rows.array, 0, Indices(indices)));
  while (!pending.empty()) {
    const testing::FailingAllocation failing(0);
    pending.pop_back();
  }
  const Bytes taken = take(rows.array, 0, Indices(indices)).to_host();
  const Bytes all = bytes_of_values(rows.source.numbers());
  EXPECT_TRUE(std::equal(taken.begin(), taken.begin() + 160, all.end() - 160));
  EXPECT_TRUE(std::equal(taken.begin() + 160, taken.end(), all.begin()));
}

TEST(LostContext, EveryErrorThatEndsItSaysSo) {
  const std::vector<std::int64_t> shape{4};
  const Numbers numbers{1, 2, 3, 4};
  for (const cudaError_t error :
       {cudaErrorIllegalAddress, cudaErrorLaunchFailure, cudaErrorHardwareStackError,
        cudaErrorIllegalInstruction, cudaErrorMisalignedAddress, cudaErrorInvalidAddressSpace,
        cudaErrorInvalidPc, cudaErrorLaunchTimeout, cudaErrorAssert, cudaErrorECCUncorrectable,
        cudaErrorNvlinkUncorrectable, cudaErrorMpsClientTerminated, cudaErrorExternalDevice,
        static_cast<cudaError_t>(226), static_cast<cudaError_t>(721)}) {
    EXPECT_TRUE(loses_context(error)) << error;
    const Device device = the_device();
    const FailingCall failing(0, {.error = error, .is_sticky = true});
    expect_error(Errc::cuda_failure, "Start the process anew", [&] {
      DeviceBuffer::from_host(device, numbers.data(), shape, native_format<std::int32_t>());
    });
  }
}

TEST(LostContext, NoOtherErrorDoes) {
  for (const cudaError_t error :
       {cudaErrorInvalidValue, cudaErrorMemoryAllocation, cudaErrorUnknown, cudaErrorNotReady,
        cudaErrorLaunchOutOfResources})
    EXPECT_FALSE(loses_context(error)) << error;
  const FailingCall failing(0, {.error = cudaErrorUnknown});
  try {
    static_cast<void>(the_device().info());
    FAIL() << "no error";
  } catch (const Failure& failure) {
    EXPECT_EQ(std::string_view(failure.what()).find(advice), std::string_view::npos);
  }
}

TEST(LostContext, ADeviceThatCannotBeOpenedSaysSo) {
  const FailingCall failing(0, {.error = cudaErrorECCUncorrectable, .is_sticky = true});
  expect_error(Errc::device_unavailable, std::string(advice),
               [] { const Context context(1, any_gather_kernel()); });
}

}  // namespace
}  // namespace multibuffer::cuda
