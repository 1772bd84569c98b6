// What only a GPU can show: streams, the life of memory, and the kernels themselves. The tests that
// are the same for every backend are in backend_test.cpp.

#include <multibuffer/cuda/stream.hpp>
#include <multibuffer/multibuffer.hpp>

#include "cuda/kernels/launch.hpp"
#include "cuda/upload/pointers.hpp"
#include "cuda/upload/upload_choice.hpp"
#include "host/backend/backend.hpp"
#include "host/backend/pack.hpp"
#include "host/support/parallel.hpp"
#include "tests/testing/cases.hpp"
#include "tests/testing/random_plan.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace multibuffer::cuda {
namespace {

using namespace multibuffer::testing;

void expect_success(cudaError_t error) {
  ASSERT_EQ(error, cudaSuccess) << cudaGetErrorString(error);
}

/// Keeps a stream from going on for a while: long enough for a race to show.
void hold_up(const Stream& stream) {
  expect_success(cudaLaunchHostFunc(
      stream.get(), [](void*) { std::this_thread::sleep_for(std::chrono::milliseconds(50)); },
      nullptr));
}

std::string text_of(int ordinal) { return "cuda:" + std::to_string(ordinal); }

Stream make_stream() {
  cudaStream_t stream = nullptr;
  expect_success(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return Stream(stream);
}

/// A random case whose memory is on the device.
struct DeviceCase {
  CopyPlan plan;
  std::vector<std::shared_ptr<Memory>> blocks;
  std::shared_ptr<Memory> out;
};

class CudaDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    const CudaDevices devices = list_cuda_devices();
    if (devices.devices.empty()) GTEST_SKIP() << "no CUDA device: " << devices.why_none;
    backend = open_cuda_backend(0);
    expect_success(cudaSetDevice(0));
  }

  std::shared_ptr<Memory> on_device(const void* data, std::int64_t bytes, StreamRef stream = {}) {
    std::shared_ptr<Memory> memory = backend->allocate(bytes, stream);
    backend->write(*memory, 0, data, bytes, stream);
    return memory;
  }
  template <class T>
  std::shared_ptr<Memory> on_device(const std::vector<T>& values, StreamRef stream = {}) {
    return on_device(values.data(), static_cast<std::int64_t>(values.size() * sizeof(T)), stream);
  }

  template <class T>
  std::vector<T> fetched(Memory& memory) {
    std::vector<T> values(static_cast<std::size_t>(memory.bytes()) / sizeof(T));
    backend->read(values.data(), &memory, memory.data(), memory.bytes());
    return values;
  }

  /// A plan that copies one block to another, element by element, backwards.
  CopyPlan backwards(const Memory& from, const Memory& to) {
    CopyPlan plan;
    plan.rows = from.bytes() / 4;
    plan.indexed.base = from.data();
    plan.indexed.origins = {from.bytes() - 4};
    plan.axes = {{plan.rows, 4, 0, -4}};
    plan.run_bytes = 4;
    plan.dense.base = to.data();
    return plan;
  }

  DeviceCase on_this_device(Case& host) {
    DeviceCase c{host.plan, {}, nullptr};
    const auto move = [&](Block& block) {
      return c.blocks.emplace_back(on_device(block.data(), block.bytes()))->data();
    };
    for (std::size_t k = 0; k < host.tables.size(); ++k)
      c.plan.indexed.tables[k].data = move(host.tables[k]);
    for (std::size_t k = 0; k < host.index_arrays.size(); ++k)
      c.plan.indices[k].data = move(host.index_arrays[k]);
    c.plan.indexed.base = move(host.leaves[0]);
    return c;
  }

  std::shared_ptr<Backend> backend;
};

std::vector<std::int32_t> counting(std::size_t count) {
  std::vector<std::int32_t> values(count);
  std::iota(values.begin(), values.end(), 0);
  return values;
}

std::vector<std::int32_t> reversed(std::vector<std::int32_t> values) {
  std::ranges::reverse(values);
  return values;
}

// Kernels.
// -----------------------------------------------------------------------------------------

void launch(const DeviceCase& c, const KernelChoice& choice, Backend& backend) {
  const PlanFacts facts(c.plan);
  if (choice.levels != any_levels) {
    launch_gather(small_plan(facts, choice, 0), choice, cudaStreamLegacy);
    expect_success(cudaStreamSynchronize(cudaStreamLegacy));
    return;
  }
  const auto parts = plan_parts<std::int64_t>(facts, choice, 0);
  const auto lists_memory =
      backend.allocate(static_cast<std::int64_t>(large_plan_bytes(parts)), {});
  std::vector<std::byte> lists;
  const LargePlan plan = large_plan(parts, lists_memory->data(), lists);
  backend.write(*lists_memory, 0, lists.data(), lists_memory->bytes(), {});
  backend.synchronize({});
  launch_gather(plan, choice, cudaStreamLegacy);
  expect_success(cudaStreamSynchronize(cudaStreamLegacy));
}

TEST_F(CudaDevice, EveryKernelGathersWhatThePlanSays) {
  Random random(1);
  for (int i = 0; i < 600 && !HasFailure(); ++i) {
    Case host =
        CaseMaker(random, {.most_axes = 5, .most_levels = 4, .most_indices = 5, .in_place = 0})
            .make();
    const std::vector<std::byte> expected = host.expected();
    DeviceCase c = on_this_device(host);

    for (int variant = 0; variant < 4; ++variant) {
      const std::vector<std::byte> empty(expected.size(), prefill);
      c.out = on_device(empty);
      c.plan.dense.base = c.out->data() + (host.plan.dense.base - host.out[0].data());
      backend->synchronize({});
      const KernelChoice choice = random_choice(random, c.plan);
      if (variant == 0)
        backend->copy(c.plan, false, {{c.out, true}}, {}, {});
      else
        launch(c, choice, *backend);
      EXPECT_EQ(fetched<std::byte>(*c.out), expected) << describe(c.plan, choice);
    }
  }
}

TEST_F(CudaDevice, ComparesElementsOfEverySize) {
  for (const std::int64_t itemsize : {1, 2, 3, 4, 8, 12, 16, 24, 100}) {
    const std::int64_t elements = 100'003;
    std::vector<std::byte> values(static_cast<std::size_t>(elements * itemsize));
    Random(2).fill(values);
    const auto actual = on_device(values);
    const FirstMismatch none =
        backend->compare(actual->data(), actual->data(), elements, itemsize, {});
    EXPECT_EQ(none.mismatches, 0);
    EXPECT_EQ(none.first, -1);
    for (const std::int64_t element : {std::int64_t{70'001}, elements - 1, std::int64_t{99}})
      values[static_cast<std::size_t>(element * itemsize + itemsize - 1)] ^= std::byte{1};
    const auto expected = on_device(values);
    const FirstMismatch some =
        backend->compare(actual->data(), expected->data(), elements, itemsize, {});
    EXPECT_EQ(some.mismatches, 3) << itemsize;
    EXPECT_EQ(some.first, 99) << itemsize;
  }
}

// Transfers.
// ---------------------------------------------------------------------------------------

TEST_F(CudaDevice, TransfersOfAnySizeArriveWhole) {
  for (const std::size_t count : {1u, 1000u, 65'536u, 1'000'003u, 9'000'001u}) {
    const std::vector<std::int32_t> values = counting(count);
    EXPECT_EQ(fetched<std::int32_t>(*on_device(values)), values) << count;
  }
}

TEST_F(CudaDevice, PageLockedMemoryIsCopiedWithoutADetour) {
  std::vector<std::int32_t> values = counting(40'000'000);
  const auto bytes = static_cast<std::int64_t>(values.size() * 4);
  expect_success(cudaHostRegister(values.data(), values.size() * 4, cudaHostRegisterDefault));
  const std::vector<std::int64_t> shape{40'000'000};
  UploadOptions options;
  std::int64_t done = 0;
  options.watch.progress = [&](std::int64_t so_far, std::int64_t) { done = so_far; };
  const DeviceArray array =
      upload(ArrayView::dense(values.data(), shape, Format("i", 4)), Device::open("cuda"), options);
  EXPECT_EQ(done, bytes);
  values[39'999'999] = -1;  // a snapshot was taken
  std::vector<std::byte> result = copy(array).to_host();
  std::int32_t last = 0;
  std::memcpy(&last, result.data() + bytes - 4, 4);
  EXPECT_EQ(last, 39'999'999);
  expect_success(cudaHostUnregister(values.data()));
}

/// Page-locked rows, in one registration and none next to another.
class CudaPageLocked : public CudaDevice {
 protected:
  void TearDown() override {
    if (registered) expect_success(cudaHostUnregister(memory.data()));
  }
  /// Every second row, the last first.
  Placement rows(std::int64_t count, std::int64_t row_bytes) {
    memory.resize(static_cast<std::size_t>(2 * count * row_bytes));
    Random(7).fill(memory);
    expect_success(cudaHostRegister(memory.data(), memory.size(), cudaHostRegisterDefault));
    registered = true;
    for (std::int64_t i = count; i-- > 0;) pointers.push_back(memory.data() + 2 * i * row_bytes);
    const ArrayView view(pointers.data(), Format(),
                         Layout({{count, 8, 0}, {row_bytes, 1, 1}}, {0, 0}));
    return place(resolve(view), PlacementKind::packed);
  }
  void expect_way(UploadWay way, const Placement& placement) {
    const std::int64_t threads = thread_count();
    EXPECT_EQ(choose_upload(upload_facts(placement, threads, find_page_locked), threads), way);
    std::vector<std::byte> expected(static_cast<std::size_t>(placement.arena_bytes));
    pack(placement, 0, placement.arena_bytes, expected.data());
    const Stream stream = make_stream();
    for (const StreamRef handle :
         {StreamRef{}, stream_ref(stream), stream_ref(cudaStream_t{nullptr})}) {
      UploadOptions options;
      options.stream = handle;
      std::int64_t done = 0;
      options.watch.progress = [&](std::int64_t so_far, std::int64_t) { done = so_far; };
      const DeviceArray array = upload(placement, Device::open("cuda"), options);
      EXPECT_EQ(done, placement.arena_bytes);
      EXPECT_TRUE(copy(array).to_host() == expected);
    }
  }

  std::vector<std::byte> memory;
  std::vector<const std::byte*> pointers;
  bool registered = false;
};

TEST_F(CudaPageLocked, LongRowsGoAsABatch) { expect_way(UploadWay::batched, rows(100, 200 << 10)); }

TEST_F(CudaPageLocked, ShorterRowsArePulledByAKernel) {
  expect_way(UploadWay::pulled, rows(5'000, 10'000));
}

TEST_F(CudaPageLocked, TheShortestRowsArePacked) {
  expect_way(UploadWay::packed, rows(100'000, 100));
}

TEST_F(CudaPageLocked, TheDriverSaysHowFarARegistrationReaches) {
  rows(10, 64 << 10);
  const std::byte* const begin = memory.data();
  const std::byte* const end = begin + memory.size();
  for (const std::byte* at : {begin, end - 12'345, end - 1}) {
    const auto range = find_page_locked(at);
    ASSERT_TRUE(range);
    EXPECT_LE(range->begin, memory.data());
    EXPECT_GE(range->end, end);
  }
  const std::vector<std::byte> pageable(1 << 20);
  EXPECT_FALSE(find_page_locked(pageable.data()));
}

// Streams and lifetimes.
// ---------------------------------------------------------------------------

TEST_F(CudaDevice, WorkOnOneStreamWaitsForEarlierWorkOnAnother) {
  const Stream first = make_stream();
  const Stream second = make_stream();
  const std::vector<std::int32_t> values = counting(100'000);
  const auto source = backend->allocate(400'000, stream_ref(first));
  hold_up(first);
  backend->write(*source, 0, values.data(), 400'000, stream_ref(first));
  const auto once = backend->allocate(400'000, stream_ref(second));
  backend->copy(backwards(*source, *once), false, {{source}, {once, true}}, stream_ref(second), {});
  hold_up(second);
  // Overwrites what the other stream still has to read.
  const std::vector<std::int32_t> zeros(values.size());
  backend->write(*source, 0, zeros.data(), 400'000, stream_ref(first));
  EXPECT_EQ(fetched<std::int32_t>(*once), reversed(values));
  EXPECT_EQ(fetched<std::int32_t>(*source), zeros);
}

TEST_F(CudaDevice, AnUpdateComesBetweenEarlierAndLaterGathers) {
  const Stream first = make_stream();
  const Stream second = make_stream();
  std::vector<std::int32_t> values = counting(100'000);
  const std::vector<std::int64_t> shape{100'000};
  const ArrayView view = ArrayView::dense(values.data(), shape, Format("i", 4));
  const DeviceArray array = upload(view, Device::open("cuda"));
  GatherOptions on_first, on_second;
  on_first.stream = stream_ref(first);
  on_second.stream = stream_ref(second);
  hold_up(first);
  const DeviceBuffer before = copy(array.reverse(0), on_first);
  std::ranges::fill(values, -1);
  update(array, view, {.stream = stream_ref(second), .watch = {}});
  std::ranges::fill(values, -2);  // has been read
  const DeviceBuffer after = copy(array, on_second);
  const auto numbers = [](const DeviceBuffer& buffer) {
    const std::vector<std::byte> bytes = buffer.to_host();
    std::vector<std::int32_t> result(bytes.size() / 4);
    std::memcpy(result.data(), bytes.data(), bytes.size());
    return result;
  };
  EXPECT_EQ(numbers(after), std::vector<std::int32_t>(100'000, -1));
  EXPECT_EQ(numbers(before), reversed(counting(100'000)));
}

TEST_F(CudaDevice, WhatAConsumerEnqueuesComesAfterTheResult) {
  const Stream ours = make_stream();
  const Stream consumers = make_stream();
  const std::vector<std::int32_t> values = counting(100'000);
  const Device device = Device::open("cuda");
  const std::array<std::int64_t, 1> shape{100'000};
  const DeviceArray array = upload(ArrayView::dense(values.data(), shape, Format("i", 4)), device);
  hold_up(ours);
  GatherOptions request;
  request.stream = stream_ref(ours);
  const DeviceBuffer result = copy(array.reverse(0), request);
  result.order_before(stream_ref(consumers));
  std::vector<std::int32_t> seen(values.size());
  expect_success(cudaHostRegister(seen.data(), 400'000, cudaHostRegisterDefault));
  expect_success(cudaMemcpyAsync(seen.data(), result.data(), 400'000, cudaMemcpyDeviceToHost,
                                 consumers.get()));
  expect_success(cudaStreamSynchronize(consumers.get()));
  expect_success(cudaHostUnregister(seen.data()));
  EXPECT_EQ(seen, reversed(values));
}

TEST_F(CudaDevice, MemoryKnowsItsDevice) {
  const auto memory = backend->allocate(4, {});
  EXPECT_EQ(Device::of_memory(memory->data()).name(), "cuda:0");
  const int here = 0;
  EXPECT_EQ(Device::of_memory(&here), Device::host());
}

TEST_F(CudaDevice, MemoryIsFreedAfterTheWorkThatUsesIt) {
  const std::vector<std::int32_t> values = counting(100'000);
  for (int i = 0; i < 5; ++i) {
    const Stream stream = make_stream();
    auto source = on_device(values);
    const auto out = backend->allocate(400'000, stream_ref(stream));
    hold_up(stream);
    backend->copy(backwards(*source, *out), false, {{source}, {out, true}}, stream_ref(stream), {});
    source.reset();
    // Whoever gets the block next writes to it at once.
    const std::vector<std::int32_t> zeros(values.size());
    const auto next = on_device(zeros);
    backend->synchronize({});
    EXPECT_EQ(fetched<std::int32_t>(*out), reversed(values));
  }
}

TEST_F(CudaDevice, MemoryOutlivesTheStreamItWasMadeOn) {
  const std::vector<std::int32_t> values = counting(1000);
  std::shared_ptr<Memory> memory;
  {
    const Stream stream = make_stream();
    hold_up(stream);
    memory = on_device(values, stream_ref(stream));
  }
  const auto out = backend->allocate(4000, {});
  backend->copy(backwards(*memory, *out), false, {{memory}, {out, true}}, {}, {});
  EXPECT_EQ(fetched<std::int32_t>(*out), reversed(values));
}

TEST_F(CudaDevice, TheDefaultStreamOfCudaHasAHandle) {
  const StreamRef handle = stream_ref(cudaStream_t{nullptr});
  ASSERT_FALSE(handle.is_own());
  const std::vector<std::int32_t> values = counting(1000);
  EXPECT_EQ(fetched<std::int32_t>(*on_device(values, handle)), values);
}

TEST_F(CudaDevice, ThreadsMayShareABackend) {
  const std::vector<std::int32_t> values = counting(cases(std::size_t{3'000'000}));
  const auto source = on_device(values);
  std::vector<std::thread> threads;
  std::vector<std::vector<std::int32_t>> results(4);
  for (std::vector<std::int32_t>& result : results)
    threads.emplace_back([&] {
      const Stream stream = make_stream();
      for (int i = 0; i < 10; ++i) {
        const auto out = backend->allocate(source->bytes(), stream_ref(stream));
        backend->copy(backwards(*source, *out), false, {{source}, {out, true}}, stream_ref(stream),
                      {});
        result = fetched<std::int32_t>(*out);
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<std::int32_t>& result : results) EXPECT_EQ(result, reversed(values));
}

TEST_F(CudaDevice, BlocksOfNoBytesAreAllowed) {
  const auto memory = backend->allocate(0, {});
  EXPECT_EQ(memory->bytes(), 0);
  memory->wait();
}

TEST_F(CudaDevice, RunningOutOfMemorySaysHowMuchThereWas) {
  const std::int64_t all = backend->info().memory_bytes;
  expect_error(Errc::out_of_device_memory, std::to_string(all + 1) + " bytes asked for",
               [&] { backend->allocate(all + 1, {}); });
  expect_error(Errc::out_of_device_memory, " bytes free", [&] { backend->allocate(all + 1, {}); });
  EXPECT_EQ(fetched<std::int32_t>(*on_device(counting(10))), counting(10));
}

// Graphs.
// ------------------------------------------------------------------------------------------

/// What `work` enqueues on a stream, as a graph.
class Graph {
 public:
  template <class Work>
  Graph(const Stream& stream, Work&& work) {
    cudaGraph_t graph = nullptr;
    expect_success(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeGlobal));
    work();
    expect_success(cudaStreamEndCapture(stream.get(), &graph));
    expect_success(cudaGraphInstantiate(&executable_, graph, 0));
    expect_success(cudaGraphDestroy(graph));
  }
  ~Graph() { expect_success(cudaGraphExecDestroy(executable_)); }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  void launch(const Stream& stream) const {
    expect_success(cudaGraphLaunch(executable_, stream.get()));
    expect_success(cudaStreamSynchronize(stream.get()));
  }

 private:
  cudaGraphExec_t executable_ = nullptr;
};

TEST_F(CudaDevice, PlansOfEveryKindAreCaptured) {
  Random random(9);
  const Stream stream = make_stream();
  for (int i = 0; i < 100 && !HasFailure(); ++i) {
    Case host =
        CaseMaker(random, {.most_axes = 5, .most_levels = 4, .most_indices = 5, .in_place = 0})
            .make();
    const std::vector<std::byte> expected = host.expected();
    DeviceCase c = on_this_device(host);
    const std::vector<std::byte> empty(expected.size(), prefill);
    c.out = on_device(empty);
    c.plan.dense.base = c.out->data() + (host.plan.dense.base - host.out[0].data());
    std::vector<UsedMemory> uses;
    for (const std::shared_ptr<Memory>& block : c.blocks) uses.push_back({block});
    uses.push_back({c.out, true});
    const auto planned = backend->prepare(c.plan, true, uses, stream_ref(stream));
    const Graph graph(stream, [&] { planned->run(); });
    EXPECT_EQ(fetched<std::byte>(*c.out), empty);  // nothing has run yet
    for (int launch = 0; launch < 2; ++launch) graph.launch(stream);
    EXPECT_EQ(fetched<std::byte>(*c.out), expected) << i;
    EXPECT_NO_THROW(planned->wait());
  }
}

TEST_F(CudaDevice, ALaunchOfAGraphReportsItsOwnBadIndices) {
  const Stream stream = make_stream();
  const auto source = on_device(counting(10));
  const auto indices = on_device(std::vector<std::int64_t>{1, 2});
  const auto out = backend->allocate(8, {});
  CopyPlan plan;
  plan.indexed.base = source->data();
  plan.indexed.origins = {0};
  plan.axes = {{2, 4, 0, 0}};
  plan.indices = {{indices->data(), 8, 2, 10, 0, 4, {2}, {1}}};
  plan.run_bytes = 4;
  plan.rows = 2;
  plan.dense.base = out->data();
  const auto planned =
      backend->prepare(plan, true, {{source}, {indices}, {out, true}}, stream_ref(stream));
  const Graph graph(stream, [&] { planned->run(); });
  const auto launch_with = [&](std::vector<std::int64_t> values) {
    backend->write(*indices, 0, values.data(), 16, {});
    backend->synchronize({});
    graph.launch(stream);
  };
  launch_with({3, 10});
  expect_error(Errc::index_out_of_range, "index 10 at position (1,) on axis 2",
               [&] { planned->wait(); });
  launch_with({9, -1});
  EXPECT_NO_THROW(planned->wait());
  EXPECT_EQ(fetched<std::int32_t>(*out), (std::vector<std::int32_t>{9, 9}));
}

// Indices on the device.
// ---------------------------------------------------------------------------

class CudaIndices : public CudaDevice {
 protected:
  std::shared_ptr<PendingWork> take(const std::vector<std::int64_t>& values) {
    source = on_device(counting(10));
    indices = on_device(values);
    out = backend->allocate(static_cast<std::int64_t>(values.size()) * 4, {});
    const auto count = static_cast<std::int64_t>(values.size());
    CopyPlan plan;
    plan.indexed.base = source->data();
    plan.indexed.origins = {0};
    plan.axes = {{count, 4, 0, 0}};
    plan.indices = {{indices->data(), 8, 2, 10, 0, 4, {count}, {1}}};
    plan.run_bytes = 4;
    plan.rows = count;
    plan.dense.base = out->data();
    return backend->copy(plan, true, {{source}, {indices}, {out, true}}, {}, {});
  }

  std::shared_ptr<Memory> source;
  std::shared_ptr<Memory> indices;
  std::shared_ptr<Memory> out;
};

TEST_F(CudaIndices, TheLowestBadOneIsReportedHoweverOftenAsked) {
  std::vector<std::int64_t> values(100'000, 3);
  values[99'999] = 10;
  values[70'000] = -11;
  values[70'001] = 1'000'000;
  const auto check = take(values);
  ASSERT_NE(check, nullptr);
  indices.reset();  // the check keeps what it reads again
  for (int i = 0; i < 2; ++i)
    expect_error(Errc::index_out_of_range,
                 "index -11 at position (70000,) on axis 2, whose extent is 10",
                 [&] { check->wait(); });
}

TEST_F(CudaIndices, AnErrorLeavesNothingBehindForTheNextGather) {
  for (int i = 0; i < 3; ++i) {
    const auto bad = take({1, 2, 10});
    expect_error(Errc::index_out_of_range, "index 10 at position (2,)", [&] { bad->wait(); });
    take({12, 0});  // never asked
    const auto good = take({9, -10, 0, -1});
    EXPECT_NO_THROW(good->wait());
    EXPECT_EQ(fetched<std::int32_t>(*out), (std::vector<std::int32_t>{9, 0, 0, 9}));
  }
}

// In place.
// ----------------------------------------------------------------------------------------

class CudaInPlace : public CudaDevice {
 protected:
  static constexpr std::int64_t length = 1000;

  /// Pointers to the rows of a block, in the order 2, 0, 1.
  static std::vector<const std::int32_t*> rows_of(const std::int32_t* block) {
    return {block + 2 * length, block, block + length};
  }
  static ArrayView view(const std::vector<const std::int32_t*>& rows, MemorySpace space) {
    return ArrayView(rows.data(), Format("i", 4),
                     Layout({{3, sizeof(rows[0]), 0}, {length, 4, 1}}, {0, 0}), true, space);
  }
  static std::vector<std::int32_t> copied(const ArrayView& view) {
    UploadOptions options;
    options.placement = PlacementKind::in_place;
    const std::vector<std::byte> bytes =
        copy(upload(view, Device::open("cuda"), options)).to_host();
    std::vector<std::int32_t> values(bytes.size() / 4);
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  static std::vector<std::int32_t> expected() {
    std::vector<std::int32_t> values = counting(3 * length);
    std::rotate(values.begin(), values.begin() + 2 * length, values.end());
    return values;
  }
};

TEST_F(CudaInPlace, RowsOnTheDeviceAreReadWhereTheyLie) {
  const auto block = on_device(counting(3 * length));
  backend->synchronize({});
  const auto rows = rows_of(reinterpret_cast<const std::int32_t*>(block->data()));
  EXPECT_EQ(copied(view(rows, MemorySpace::device)), expected());
}

TEST_F(CudaInPlace, EvenlySpacedRowsAreReadForwardsAndBackwards) {
  const auto block = on_device(counting(3 * length));
  backend->synchronize({});
  const auto* const first = reinterpret_cast<const std::int32_t*>(block->data());
  EXPECT_EQ(copied(view({first, first + length, first + 2 * length}, MemorySpace::device)),
            counting(3 * length));
  std::vector<std::int32_t> backwards = counting(3 * length);
  std::rotate(backwards.begin(), backwards.begin() + 2 * length, backwards.end());
  std::swap_ranges(backwards.begin() + length, backwards.begin() + 2 * length,
                   backwards.begin() + 2 * length);
  EXPECT_EQ(copied(view({first + 2 * length, first + length, first}, MemorySpace::device)),
            backwards);
}

TEST_F(CudaInPlace, RowsMayLieInSeveralAllocations) {
  const auto one = on_device(counting(length));
  const auto other = on_device(counting(2 * length));
  backend->synchronize({});
  const auto* const first = reinterpret_cast<const std::int32_t*>(one->data());
  const auto* const second = reinterpret_cast<const std::int32_t*>(other->data());
  std::vector<std::int32_t> together = counting(2 * length);
  const std::vector<std::int32_t> middle = counting(length);
  together.insert(together.begin() + length, middle.begin(), middle.end());
  EXPECT_EQ(copied(view({second, first, second + length}, MemorySpace::device)), together);
}

/// What lies between two rows that can be read need not be readable.
TEST_F(CudaInPlace, OneRowThatCannotBeReadIsNamed) {
  int reads_pageable_memory = 0;
  expect_success(
      cudaDeviceGetAttribute(&reads_pageable_memory, cudaDevAttrPageableMemoryAccess, 0));
  if (reads_pageable_memory) GTEST_SKIP() << "this device reads pageable memory";
  constexpr std::size_t page = 4096;
  const std::unique_ptr<std::byte, decltype(&std::free)> pages(
      static_cast<std::byte*>(std::aligned_alloc(page, 3 * page)), &std::free);
  for (const std::size_t number : {std::size_t{0}, std::size_t{2}})
    expect_success(cudaHostRegister(pages.get() + number * page, page, cudaHostRegisterDefault));
  const auto row = [&](std::size_t number) {
    return reinterpret_cast<const std::int32_t*>(pages.get() + number * page);
  };
  expect_error(Errc::invalid_argument, "leaf 1 of 3", [&] {
    copied(view({row(0), row(1), row(2)}, MemorySpace::host));
  });
  for (const std::size_t number : {std::size_t{0}, std::size_t{2}})
    expect_success(cudaHostUnregister(pages.get() + number * page));
}

TEST_F(CudaInPlace, SoArePageLockedRows) {
  std::vector<std::int32_t> block = counting(3 * length);
  expect_success(cudaHostRegister(block.data(), block.size() * 4, cudaHostRegisterDefault));
  EXPECT_EQ(copied(view(rows_of(block.data()), MemorySpace::host)), expected());
  expect_success(cudaHostUnregister(block.data()));
}

TEST_F(CudaInPlace, PageableRowsAreRefusedByName) {
  int reads_pageable_memory = 0;
  expect_success(
      cudaDeviceGetAttribute(&reads_pageable_memory, cudaDevAttrPageableMemoryAccess, 0));
  const std::vector<std::int32_t> block = counting(3 * length);
  const auto rows = rows_of(block.data());
  const ArrayView pageable = view(rows, MemorySpace::host);
  if (reads_pageable_memory)
    EXPECT_EQ(copied(pageable), expected());
  else
    expect_error(Errc::invalid_argument, "is in pageable host memory, which a GPU cannot use",
                 [&] { copied(pageable); });
}

// Several devices.
// --------------------------------------------------------------------------------

class TwoCudaDevices : public CudaDevice {
 protected:
  void SetUp() override {
    CudaDevice::SetUp();
    if (IsSkipped()) return;
    const std::size_t count = list_cuda_devices().devices.size();
    if (count < 2) GTEST_SKIP() << "needs two CUDA devices, and there is one";
  }
};

TEST_F(TwoCudaDevices, EachHasItsOwnMemoryStreamsAndSlots) {
  const std::vector<std::int32_t> values = counting(cases(std::size_t{3'000'000}));
  const std::vector<std::int64_t> shape{std::ssize(values)};
  const ArrayView view = ArrayView::dense(values.data(), shape, Format("i", 4));
  std::vector<std::thread> threads;
  for (const char* name : {"cuda:0", "cuda:1", "cuda:0", "cuda:1"})
    threads.emplace_back([&, name] {
      for (int i = 0; i < 5; ++i) {
        const DeviceArray array = upload(view, Device::open(name));
        const DeviceBuffer buffer = copy(array.reverse(0));
        cudaPointerAttributes attributes{};
        expect_success(cudaPointerGetAttributes(&attributes, buffer.data()));
        EXPECT_EQ(text_of(attributes.device), name);
        std::vector<std::int32_t> result(values.size());
        const std::vector<std::byte> bytes = buffer.to_host();
        std::memcpy(result.data(), bytes.data(), bytes.size());
        EXPECT_EQ(result, reversed(values));
      }
    });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(TwoCudaDevices, TheCallersCurrentDeviceStaysWhatItWas) {
  for (const int current : {0, 1}) {
    expect_success(cudaSetDevice(current));
    for (const char* name : {"cuda:0", "cuda:1"}) {
      const std::vector<std::int64_t> shape{4};
      const std::vector<std::int32_t> values = counting(4);
      copy(upload(ArrayView::dense(values.data(), shape, Format("i", 4)), Device::open(name)))
          .synchronize();
      int now = -1;
      expect_success(cudaGetDevice(&now));
      EXPECT_EQ(now, current);
    }
  }
  expect_success(cudaSetDevice(0));
}

TEST_F(TwoCudaDevices, AGatherIntoAnothersMemoryIsRefused) {
  const std::vector<std::int64_t> shape{4};
  const std::vector<std::int32_t> values = counting(4);
  const ArrayView view = ArrayView::dense(values.data(), shape, Format("i", 4));
  const DeviceArray here = upload(view, Device::open("cuda:0"));
  const DeviceBuffer there = copy(upload(view, Device::open("cuda:1")));
  GatherOptions request;
  request.out = output_of(there);
  expect_error(Errc::invalid_argument, "memory of cuda:1 in a gather on cuda:0",
               [&] { copy(here, request); });
}

// Without a device.
// --------------------------------------------------------------------------------

TEST(CudaDevices, ThatAreNotThereAreAnErrorWithAReason) {
  const CudaDevices devices = list_cuda_devices();
  EXPECT_EQ(devices.devices.empty(), !devices.why_none.empty());
  const auto count = static_cast<int>(devices.devices.size());
  expect_error(Errc::device_unavailable, count == 0 ? devices.why_none : "numbered from 0",
               [&] { open_cuda_backend(count); });
  expect_error(Errc::device_unavailable, "", [] { open_cuda_backend(-1); });
}

}  // namespace
}  // namespace multibuffer::cuda
