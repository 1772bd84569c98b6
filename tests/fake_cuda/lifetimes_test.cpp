// Who may still use a block of memory when it is freed, read or written: consumers' kernels, other
// threads, captures. The fake device runs work late and spoils freed memory, so that what comes too
// early shows as wrong bits.

#include <multibuffer/cuda/stream.hpp>
#include <multibuffer/dlpack.hpp>
#include <multibuffer/multibuffer.hpp>

#include "host/backend/backend.hpp"
#include "host/upload/internals.hpp"
#include "tests/fake_cuda/fake_cuda.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace multibuffer::cuda {
namespace {

using multibuffer::testing::expect_error;
using Numbers = std::vector<std::int32_t>;

constexpr std::int64_t count = 1000;
constexpr std::int64_t bytes = count * 4;

Numbers counting(std::int32_t first = 0) {
  Numbers values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

Numbers backwards(std::int32_t first = 0) {
  Numbers values = counting(first);
  std::ranges::reverse(values);
  return values;
}

/// Rows {0 ... 9}, {10 ... 19} and so on of `values`, the last first.
RaggedArray rows_of(const Numbers& values) {
  std::vector<const std::int32_t*> rows;
  for (std::size_t at = values.size(); at >= 10; at -= 10) rows.push_back(values.data() + at - 10);
  const std::vector<std::int64_t> lengths(rows.size(), 10);
  return upload(RaggedView::from_rows(rows.data(), lengths), Device::open("cuda"));
}

/// What packing rows_of(counting()) makes.
Numbers rows_backwards() {
  Numbers values;
  for (std::int32_t row = count / 10 - 1; row >= 0; --row)
    for (std::int32_t i = 0; i < 10; ++i) values.push_back(10 * row + i);
  return values;
}

DeviceArray uploaded(const Numbers& values, StreamRef stream = {}, const char* device = "cuda:0") {
  const std::int64_t shape[] = {static_cast<std::int64_t>(values.size())};
  UploadOptions options;
  options.stream = stream;
  return upload(ArrayView::dense(values.data(), shape, Format("i", 4)), Device::open(device),
                options);
}

/// A gather that a kernel does, on `stream`.
DeviceBuffer reversed(const DeviceArray& array, StreamRef stream = {}) {
  GatherOptions request;
  request.stream = stream;
  return copy(array.reverse(0), request);
}

Numbers numbers_of(const DeviceBuffer& buffer) {
  const std::vector<std::byte> host = buffer.to_host();
  Numbers values(host.size() / 4);
  std::memcpy(values.data(), host.data(), host.size());
  return values;
}

Stream make_stream(unsigned flags = cudaStreamNonBlocking) {
  cudaStream_t stream = nullptr;
  EXPECT_EQ(cudaStreamCreateWithFlags(&stream, flags), cudaSuccess);
  return Stream(stream);
}

/// What a consumer's kernel reads, once it has run.
class Consumer {
 public:
  void reads(const DeviceBuffer& buffer, cudaStream_t stream) {
    fake_cuda::enqueue(stream, [seen = seen_, from = buffer.data()] {
      std::memcpy(seen->data(), from, static_cast<std::size_t>(bytes));
    });
  }
  const Numbers& seen() const { return *seen_; }

 private:
  std::shared_ptr<Numbers> seen_ = std::make_shared<Numbers>(count, -1);
};

/// Makes the device free whatever can be freed, and others have the memory.
void reclaim_memory() {
  Backend& backend = backend_of(Device::open("cuda:0"));
  expect_error(Errc::out_of_device_memory, "bytes asked for",
               [&] { backend.allocate(2 * fake_cuda::memory_bytes, {}); });
}

class Lifetimes : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(cudaSetDevice(0), cudaSuccess); }
};

// Consumers.

TEST_F(Lifetimes, MemoryOutlivesWhatAConsumerEnqueuesOnTheLegacyStream) {
  const DeviceArray array = uploaded(counting());
  Consumer consumer;
  {
    const DeviceBuffer result = reversed(array);
    result.order_before(stream_ref(cudaStream_t{nullptr}));
    consumer.reads(result, cudaStreamLegacy);
  }
  reclaim_memory();
  ASSERT_EQ(cudaStreamSynchronize(cudaStreamLegacy), cudaSuccess);
  EXPECT_EQ(consumer.seen(), backwards());
}

TEST_F(Lifetimes, AndOnTheDefaultStreamOfAThreadThatHasEnded) {
  const DeviceArray array = uploaded(counting());
  Consumer consumer;
  {
    const DeviceBuffer result = reversed(array);
    std::thread([&] {
      ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
      result.order_before(StreamRef::per_thread());
      consumer.reads(result, cudaStreamPerThread);
    }).join();
  }
  reclaim_memory();
  ASSERT_EQ(cudaStreamSynchronize(cudaStreamLegacy), cudaSuccess);
  EXPECT_EQ(consumer.seen(), backwards());
}

TEST_F(Lifetimes, AndOnAStreamOfItsOwn) {
  const DeviceArray array = uploaded(counting());
  const Stream stream = make_stream();
  Consumer consumer;
  {
    const DeviceBuffer result = reversed(array);
    result.order_before(stream_ref(stream));
    consumer.reads(result, stream.get());
  }
  reclaim_memory();
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  EXPECT_EQ(consumer.seen(), backwards());
}

TEST_F(Lifetimes, AndOnAStreamThatIsDestroyedBefore) {
  const DeviceArray array = uploaded(counting());
  Consumer consumer;
  {
    const DeviceBuffer result = reversed(array);
    {
      const Stream stream = make_stream();
      result.order_before(stream_ref(stream));
      consumer.reads(result, stream.get());
    }
  }  // nothing may ask the stream, which would end this program
  reclaim_memory();
  EXPECT_EQ(consumer.seen(), backwards());
}

TEST_F(Lifetimes, AndOnAStreamThatIsNamedAgain) {
  const DeviceArray array = uploaded(counting());
  const Stream stream = make_stream();
  Consumer consumer;
  {
    const DeviceBuffer result = reversed(array);
    result.order_before(stream_ref(stream));
    result.synchronize();  // nothing but the consumer is waited for
    consumer.reads(result, stream.get());
  }
  const DeviceBuffer later = reversed(array, stream_ref(stream));
  reclaim_memory();
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  EXPECT_EQ(consumer.seen(), backwards());
}

// DLPack's exchange API names no stream, which means the legacy one.
TEST_F(Lifetimes, ATensorThatIsTakenOverIsReadAfterItsProducersWork) {
  const DeviceBuffer memory = reversed(uploaded(counting()));
  memory.synchronize();
  const Numbers late = counting(7000);
  fake_cuda::enqueue(cudaStreamLegacy, [&] { std::memcpy(memory.data(), late.data(), bytes); });
  std::int64_t shape[] = {count};
  dlpack::ManagedTensorVersioned managed{
      {1, 0},
      nullptr,
      nullptr,
      0,
      {memory.data(), {dlpack::device_cuda, 0}, 1, {dlpack::code_int, 32, 1}, shape, nullptr, 0}};
  EXPECT_EQ(numbers_of(dlpack::take(&managed)), late);
}

TEST_F(Lifetimes, AnAllocatedTensorMayBeWrittenOnTheLegacyStreamAtOnce) {
  std::int64_t shape[] = {count};
  const dlpack::Tensor prototype{
      nullptr, {dlpack::device_cuda, 0}, 1, {dlpack::code_int, 32, 1}, shape, nullptr, 0};
  dlpack::ManagedTensorVersioned* const managed = dlpack::allocate(prototype);
  const Numbers written = counting(7000);
  void* const data = managed->tensor.data;
  fake_cuda::enqueue(cudaStreamLegacy, [&] { std::memcpy(data, written.data(), bytes); });
  ASSERT_EQ(cudaStreamSynchronize(cudaStreamLegacy), cudaSuccess);
  fake_cuda::finish_all();  // an allocation on another stream would now spoil what was written
  EXPECT_EQ(numbers_of(dlpack::take(managed)), written);
}

TEST_F(Lifetimes, AnArrayHandsItselfOnAsAResultDoes) {
  const Stream stream = make_stream();
  Consumer consumer;
  {
    const DeviceBuffer buffer = *uploaded(counting()).as_buffer();  // the array itself is gone
    EXPECT_TRUE(buffer.readonly());
    buffer.order_before(stream_ref(stream));
    consumer.reads(buffer, stream.get());
  }
  reclaim_memory();
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  EXPECT_EQ(consumer.seen(), counting());
}

TEST_F(Lifetimes, AnUpdateShowsInAnArraysBufferAndWaitsForItsReaders) {
  const DeviceArray array = uploaded(counting());
  const DeviceBuffer buffer = *array.as_buffer();
  const Stream stream = make_stream();
  Consumer consumer;
  {
    const Access access(stream_ref(stream), {buffer});
    consumer.reads(buffer, stream.get());
  }
  const Numbers values = counting(1);
  const std::int64_t shape[] = {count};
  update(array, ArrayView::dense(values.data(), shape, Format("i", 4)));
  EXPECT_EQ(numbers_of(buffer), values);
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  EXPECT_EQ(consumer.seen(), counting());
}

TEST_F(Lifetimes, AConsumerThatSeesToTheOrderItselfIsWaitedForToo) {
  const DeviceArray array = uploaded(counting());
  Consumer consumer;
  {
    const DeviceBuffer result = reversed(array);
    result.synchronize();
    const fake_cuda::Counts before = fake_cuda::counts();
    result.hand_over_unordered(stream_ref(cudaStream_t{nullptr}));
    EXPECT_EQ(fake_cuda::counts(), before);
    consumer.reads(result, cudaStreamLegacy);
  }
  reclaim_memory();
  ASSERT_EQ(cudaStreamSynchronize(cudaStreamLegacy), cudaSuccess);
  EXPECT_EQ(consumer.seen(), backwards());
}

TEST_F(Lifetimes, AnAccessOrdersHoldsAndMarksTheEnd) {
  const Stream stream = make_stream();
  Consumer consumer;
  {
    const DeviceBuffer result = reversed(uploaded(counting()));
    const Access access(stream_ref(stream), {result});
    consumer.reads(result, stream.get());
  }
  reclaim_memory();
  EXPECT_EQ(consumer.seen(), backwards());
}

TEST_F(Lifetimes, AnAccessKeepsItsArraysUntilItsEnd) {
  std::optional<DeviceArray> array = uploaded(counting());
  const std::weak_ptr<const Storage> storage = storage_of(*array);
  std::optional<Access> access(std::in_place, StreamRef(), std::vector<Accessed>{*array});
  array.reset();
  EXPECT_FALSE(storage.expired());
  access->end();
  EXPECT_TRUE(storage.expired());
  EXPECT_NO_THROW(access->end());
}

/// Runs a plan, lets `read` enqueue a consumer's kernel on the result, and then has the library
/// write other numbers there.
template <class Read>
void expect_later_writes_to_wait_for(const Read& read) {
  const DeviceArray array = uploaded(counting());
  const Plan plan(array.reverse(0), Selection{});
  const DeviceBuffer result = plan.run();
  Consumer consumer;
  read(result, consumer);
  const Numbers zeros(count);
  const std::int64_t shape[] = {count};
  update(array, ArrayView::dense(zeros.data(), shape, Format("i", 4)));
  plan.run();
  EXPECT_EQ(numbers_of(result), zeros);
  EXPECT_EQ(consumer.seen(), backwards());
}

TEST_F(Lifetimes, WhatTheLibraryWritesComesAfterAnAccessThatReads) {
  const Stream stream = make_stream();
  expect_later_writes_to_wait_for([&](const DeviceBuffer& result, Consumer& consumer) {
    const Access access(stream_ref(stream), {result});
    consumer.reads(result, stream.get());
  });
}

TEST_F(Lifetimes, AndAfterAConsumerOnTheLegacyStream) {
  expect_later_writes_to_wait_for([&](const DeviceBuffer& result, Consumer& consumer) {
    result.order_before(stream_ref(cudaStream_t{nullptr}));
    consumer.reads(result, cudaStreamLegacy);
  });
}

TEST_F(Lifetimes, AResultThatIsAnArrayInPlaceIsWrittenAfterItsReaders) {
  const DeviceArray array = uploaded(counting());
  const Plan plan(array.reverse(0), Selection{});
  const DeviceBuffer result = plan.run();
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  options.owner = std::make_shared<const DeviceBuffer>(result);
  options.memory = memory_of(result);
  const DeviceArray again = upload(result.view(), result.device(), options);
  const Stream stream = make_stream();
  const DeviceBuffer twice = reversed(again, stream_ref(stream));
  const Numbers zeros(count);
  const std::int64_t shape[] = {count};
  update(array, ArrayView::dense(zeros.data(), shape, Format("i", 4)));
  plan.run();
  EXPECT_EQ(numbers_of(result), zeros);
  EXPECT_EQ(numbers_of(twice), counting());
}

// How much memory a loop holds that runs ahead of the device.

/// What the pool takes more, after two hundred turns of a loop, than after the first ones.
template <class Turn>
std::int64_t growth(const Turn& turn) {
  for (int i = 0; i < 3; ++i) turn();
  const std::int64_t before = fake_cuda::pool_bytes(0);
  for (int i = 0; i < 200; ++i) turn();
  return fake_cuda::pool_bytes(0) - before;
}

TEST_F(Lifetimes, ALoopOnThePrivateStreamDoesNotGrow) {
  const DeviceArray array = uploaded(counting());
  EXPECT_LE(growth([&] { reversed(array); }), 0);
}

TEST_F(Lifetimes, NorDoesOneThatHandsItsResultsToIt) {
  const DeviceArray array = uploaded(counting());
  EXPECT_LE(growth([&] { reversed(array).order_before({}); }), 0);
}

TEST_F(Lifetimes, MemoryThatHasComeBackLeavesNoEventsBehind) {
  const DeviceArray array = uploaded(counting());
  const auto turn = [&] {
    {
      const DeviceBuffer result = reversed(array);
      result.order_before(stream_ref(cudaStream_t{nullptr}));
    }
    reclaim_memory();
  };
  for (int i = 0; i < 10; ++i) turn();
  const int before = fake_cuda::counts().events_made;
  for (int i = 0; i < 100; ++i) turn();
  EXPECT_LE(fake_cuda::counts().events_made - before, 2);
}

TEST_F(Lifetimes, NorDoesOneOnAStreamOfTheCaller) {
  const Stream stream = make_stream();
  const DeviceArray array = uploaded(counting(), stream_ref(stream));
  EXPECT_LE(growth([&] { reversed(array, stream_ref(stream)); }), 20 * bytes);
}

TEST_F(Lifetimes, NorDoesOneWhoseConsumerNamesItsStreamInEveryTurn) {
  const Stream stream = make_stream();
  const DeviceArray array = uploaded(counting());
  Consumer consumer;
  const auto turn = [&] {
    const DeviceBuffer result = reversed(array, stream_ref(stream));
    result.order_before(stream_ref(stream));
    consumer.reads(result, stream.get());
  };
  EXPECT_LE(growth(turn), 20 * bytes);
}

TEST_F(Lifetimes, OneWithANewConsumersStreamInEveryTurnIsBounded) {
  Backend& backend = backend_of(Device::open("cuda:0"));
  constexpr std::int64_t block_bytes = 256 << 10;
  const std::int64_t before = fake_cuda::pool_bytes(0);
  for (int i = 0; i < 2000; ++i) {
    const auto block = backend.allocate(block_bytes, {});
    const Stream stream = make_stream();
    backend.hand_over(*block, stream_ref(stream), true);
    fake_cuda::enqueue(stream.get(), [] {});
  }
  // A sixteenth of the memory may wait for streams to be named, and a thirty-second for work.
  EXPECT_LE(fake_cuda::pool_bytes(0) - before, fake_cuda::memory_bytes / 8);
}

// Threads.

/// Begins `work` on another thread, and checks that it waits until `access` has ended.
template <class Work>
void expect_to_wait(std::optional<Access>& access, const Work& work) {
  std::atomic<bool> done = false;
  std::thread thread([&] {
    work();
    done = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(done);
  access.reset();
  thread.join();
}

TEST_F(Lifetimes, AReaderWaitsForTheWriterThatHasBegun) {
  const DeviceBuffer result = reversed(uploaded(counting()));
  const Stream stream = make_stream();
  std::optional<Access> access(std::in_place, stream_ref(stream), std::vector<Accessed>{},
                               std::vector<Accessed>{result});
  fake_cuda::enqueue(stream.get(), [at = result.data()] {
    const Numbers values = counting(7);
    std::memcpy(at, values.data(), static_cast<std::size_t>(bytes));
  });
  Numbers seen;
  expect_to_wait(access, [&] { seen = numbers_of(result); });
  EXPECT_EQ(seen, counting(7));
}

TEST_F(Lifetimes, AnAccessThatReadsAndWritesOneBlockIsAWriter) {
  const DeviceBuffer result = reversed(uploaded(counting()));
  const Stream stream = make_stream();
  {
    const Access access(stream_ref(stream), {result}, {result});
    fake_cuda::enqueue(stream.get(), [at = result.data()] {
      const Numbers values = counting(7);
      std::memcpy(at, values.data(), static_cast<std::size_t>(bytes));
    });
  }
  EXPECT_EQ(numbers_of(result), counting(7));
}

TEST_F(Lifetimes, AWriterWaitsForTheReaderThatHasBegun) {
  const DeviceArray array = uploaded(counting());
  const DeviceBuffer result = reversed(array);
  const Stream stream = make_stream();
  std::optional<Access> access(std::in_place, stream_ref(stream), std::vector<Accessed>{result});
  Consumer consumer;
  consumer.reads(result, stream.get());
  expect_to_wait(access, [&] {
    GatherOptions request;
    request.out = output_of(result);
    copy(array, request);
  });
  EXPECT_EQ(numbers_of(result), counting());
  EXPECT_EQ(consumer.seen(), backwards());
}

TEST_F(Lifetimes, TwoWritersOfOneBlockAreBothWaitedForBeforeItIsFreed) {
  const DeviceArray array = uploaded(counting());
  const Stream first = make_stream();
  const Stream second = make_stream();
  Consumer consumer;
  {
    const DeviceBuffer result = reversed(array);
    std::vector<std::thread> threads;
    for (cudaStream_t stream : {first.get(), second.get()})
      threads.emplace_back([&, stream] {
        for (int i = 0; i < 50; ++i) {
          GatherOptions request;
          request.out = output_of(result);
          request.stream = stream_ref(stream);
          copy(array.reverse(0), request);
        }
      });
    for (std::thread& thread : threads) thread.join();
  }
  reclaim_memory();
  ASSERT_EQ(cudaStreamSynchronize(first.get()), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(second.get()), cudaSuccess);
}

TEST_F(Lifetimes, ACopyBesideAnUpdateSeesAllOfItOrNothing) {
  const std::int64_t rows = 1 << 18;
  const Numbers zeros(rows);
  const Numbers ones(rows, 1);
  const std::int64_t shape[] = {rows};
  const DeviceArray array = uploaded(zeros);
  std::atomic<bool> stop = false;
  std::thread updater([&] {
    for (int i = 0; i < 6; ++i)
      update(array, ArrayView::dense((i % 2 ? zeros : ones).data(), shape, Format("i", 4)));
    stop = true;
  });
  while (!stop) {
    const Numbers seen = numbers_of(copy(array));
    EXPECT_TRUE(seen == zeros || seen == ones);
  }
  updater.join();
}

TEST_F(Lifetimes, AThreadThatWouldWaitForItselfIsTold) {
  const DeviceArray array = uploaded(counting());
  const Stream stream = make_stream();
  const Access access(stream_ref(stream), {array});
  const Numbers values = counting(1);
  const std::int64_t shape[] = {count};
  expect_error(Errc::invalid_argument, "this thread has an access",
               [&] { update(array, ArrayView::dense(values.data(), shape, Format("i", 4))); });
  // On the access's own stream it is in order, and others may read.
  update(array, ArrayView::dense(values.data(), shape, Format("i", 4)),
         {.stream = stream_ref(stream), .watch = {}});
  GatherOptions request;
  request.stream = stream_ref(stream);
  EXPECT_EQ(numbers_of(copy(array, request)), values);
}

TEST_F(Lifetimes, AFailedGatherEndsItsUseBeforeItsMemoryGoes) {
  const DeviceArray array = uploaded(counting());
  const std::vector<std::int64_t> values{5, 2};
  const std::int64_t shape[] = {2};
  const DeviceBuffer indices =
      DeviceBuffer::from_host(array.device(), values.data(), shape, Format("q", 8));
  const Stream stream = make_stream();
  {
    const Access access(stream_ref(stream), {}, {array});
    expect_error(Errc::invalid_argument, "this thread has an access",
                 [&] { take(array, 0, Indices(indices)); });
  }
  EXPECT_EQ(numbers_of(take(array, 0, Indices(indices))), (Numbers{5, 2}));
}

TEST_F(Lifetimes, AThreadThatWaitsForABlockHoldsNoOther) {
  const DeviceArray array = uploaded(counting());
  const DeviceBuffer x = copy(array);
  const DeviceBuffer y = copy(array);
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  options.owner = std::make_shared<const DeviceBuffer>(y);
  options.memory = memory_of(y);
  const DeviceArray in_y = upload(y.view(), y.device(), options);
  const Stream stream = make_stream();
  std::optional<Access> access(std::in_place, stream_ref(stream), std::vector<Accessed>{},
                               std::vector<Accessed>{y});
  std::thread copier([&] {
    GatherOptions request;
    request.out = output_of(x);
    copy(in_y, request);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(numbers_of(x), counting());  // and does not wait for the copier, who waits for y
  access.reset();
  copier.join();
}

TEST_F(Lifetimes, APlansResultIsAskedForWhileItsNextRunWaits) {
  const DeviceArray array = uploaded(counting());
  const std::vector<std::int64_t> values{5, 2};
  const std::int64_t shape[] = {2};
  Selection request;
  request.groups = {
      {{0},
       {Indices(DeviceBuffer::from_host(array.device(), values.data(), shape, Format("q", 8)))},
       {}}};
  const Plan plan(array, request);
  const DeviceBuffer result = plan.run();
  const Stream stream = make_stream();
  std::optional<Access> access(std::in_place, stream_ref(stream), std::vector<Accessed>{result});
  std::thread runner([&] { plan.run(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(numbers_of(result), (Numbers{5, 2}));
  access.reset();
  runner.join();
}

TEST_F(Lifetimes, AnAccessOfAThreadsDefaultStreamMayEndOnAnother) {
  Consumer consumer;
  {
    const DeviceBuffer result = reversed(uploaded(counting()));
    std::optional<Access> access;
    std::thread([&] {
      ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
      access.emplace(StreamRef::per_thread(), std::vector<Accessed>{result});
      consumer.reads(result, cudaStreamPerThread);
    }).join();
    access.reset();
  }
  reclaim_memory();
  ASSERT_EQ(cudaStreamSynchronize(cudaStreamLegacy), cudaSuccess);
  EXPECT_EQ(consumer.seen(), backwards());
}

TEST_F(Lifetimes, AStreamOfAnotherDeviceIsRefused) {
  const DeviceArray array = uploaded(counting());
  const DeviceBuffer result = reversed(array);
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  const Stream elsewhere = make_stream();
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
  const auto refused = [&](auto&& call) {
    expect_error(Errc::invalid_argument, "the stream is another device's", call);
  };
  refused([&] { result.order_before(stream_ref(elsewhere)); });
  refused([&] { reversed(array, stream_ref(elsewhere)); });
  refused([&] { const Access access(stream_ref(elsewhere), {result}); });
}

// Reads wait for events, not for a stream's name.

TEST_F(Lifetimes, AResultOfAThreadsDefaultStreamIsReadByAnother) {
  const DeviceArray array = uploaded(counting());
  std::optional<DeviceBuffer> result;
  std::thread([&] { result = reversed(array, StreamRef::per_thread()); }).join();
  EXPECT_EQ(numbers_of(*result), backwards());
}

// A thread's default stream is another one on each of the threads that fill slots for an upload.
TEST_F(Lifetimes, AnUploadOnAThreadsDefaultStreamIsSentByThatThreadAlone) {
  Numbers values(std::size_t{8} << 20);
  std::iota(values.begin(), values.end(), 0);
  std::optional<DeviceArray> array;
  std::int64_t reported = 0;
  std::thread([&] {
    UploadOptions options;
    options.stream = StreamRef::per_thread();
    options.watch.progress = [&](std::int64_t done, std::int64_t) { reported = done; };
    const std::int64_t shape[] = {static_cast<std::int64_t>(values.size())};
    array = upload(ArrayView::dense(values.data(), shape, Format("i", 4)), Device::open("cuda:0"),
                   options);
  }).join();
  EXPECT_TRUE(numbers_of(copy(*array)) == values);
  EXPECT_EQ(reported, static_cast<std::int64_t>(values.size() * 4));
}

TEST_F(Lifetimes, AResultRewrittenOnAnotherStreamIsReadAsWrittenLast) {
  const DeviceArray array = uploaded(counting());
  const DeviceBuffer result = copy(array);
  const Stream stream = make_stream();
  GatherOptions request;
  request.out = output_of(result);
  request.stream = stream_ref(stream);
  copy(array.reverse(0), request);
  result.synchronize();
  Numbers seen(count);
  std::memcpy(seen.data(), result.data(), static_cast<std::size_t>(bytes));
  EXPECT_EQ(seen, backwards());
  EXPECT_EQ(numbers_of(result), backwards());
}

TEST_F(Lifetimes, AResultOverMemoryOfTheCallerIsWaitedFor) {
  const DeviceArray array = uploaded(counting());
  void* memory = nullptr;
  ASSERT_EQ(cudaMalloc(&memory, bytes), cudaSuccess);
  const Stream stream = make_stream();
  GatherOptions request;
  request.stream = stream_ref(stream);
  request.out = Output{.data = memory, .bytes = bytes, .space = MemorySpace::device, .strides = {}};
  const DeviceBuffer result = copy(array.reverse(0), request);
  EXPECT_EQ(numbers_of(result), backwards());
  ASSERT_EQ(cudaFree(memory), cudaSuccess);
}

TEST_F(Lifetimes, PiecesAreInTheCallersMemoryWhenTheyAreReported) {
  const Numbers values = backwards();
  const std::int64_t shape[] = {count};
  const DeviceBuffer there = copy(uploaded(counting(count)));
  there.synchronize();
  const auto* const begin = reinterpret_cast<const std::int32_t*>(there.data());
  PiecesOptions options;
  options.memory_limit = 1024;
  options.gather.out = output_of(there);
  int reports = 0;
  options.gather.watch.progress = [&](std::int64_t done, std::int64_t total) {
    EXPECT_EQ(total, bytes);
    EXPECT_GE(std::count_if(begin, begin + count, [](std::int32_t value) { return value < count; }),
              done / 4);
    ++reports;
  };
  gather_in_pieces(ArrayView::dense(values.data(), shape, Format("i", 4)), Device::open("cuda:0"),
                   Selection(), options);
  EXPECT_GT(reports, 2);
  EXPECT_EQ(numbers_of(there), values);
}

// Captures.

/// A capture in CUDA's default mode, which must come to a good end.
class Capture {
 public:
  explicit Capture(const Stream& stream) : stream_(stream) {
    EXPECT_EQ(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeGlobal), cudaSuccess);
  }
  /// Ends it, and launches the graph.
  void launch() {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    ASSERT_EQ(cudaStreamEndCapture(stream_.get(), &graph), cudaSuccess) << "the capture was spoilt";
    ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
    ASSERT_EQ(cudaGraphLaunch(executable, stream_.get()), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(stream_.get()), cudaSuccess);
    ASSERT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
    ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  }

 private:
  const Stream& stream_;
};

TEST_F(Lifetimes, APlansResultIsHandedOverWithinACapture) {
  const Stream stream = make_stream();
  GatherOptions request;
  request.stream = stream_ref(stream);
  const Plan plan(uploaded(counting()).reverse(0), {}, request);
  Consumer consumer;
  Capture capture(stream);
  const DeviceBuffer result = plan.run();
  result.order_before(stream_ref(stream));
  consumer.reads(result, stream.get());
  capture.launch();
  EXPECT_EQ(consumer.seen(), backwards());
}

TEST_F(Lifetimes, SoIsAResultThatIsNotReadyYet) {
  const Stream stream = make_stream();
  const DeviceBuffer result = reversed(uploaded(counting()));
  Consumer consumer;
  Capture capture(stream);
  result.order_before(stream_ref(stream));
  consumer.reads(result, stream.get());
  capture.launch();
  EXPECT_EQ(consumer.seen(), backwards());
}

TEST_F(Lifetimes, PlansOfRaggedRowsAreCapturedWithTheLookUpOfTheirRows) {
  const Stream stream = make_stream();
  const std::vector<std::int64_t> values{1, 0};
  const std::int64_t shape[] = {2};
  const Indices indices(
      DeviceBuffer::from_host(Device::open("cuda"), values.data(), shape, Format("q", 8)));
  PackOptions options{.stream = stream_ref(stream)};
  const PackPlan whole(rows_of(counting()), {}, options);
  options.items = 20;
  const PackPlan some(rows_of(counting()), {indices}, options);
  const PadPlan padded(rows_of(counting()), {indices},
                       {.length = 11, .stream = stream_ref(stream)});
  Capture capture(stream);
  whole.run();
  some.run();
  padded.run();
  capture.launch();
  EXPECT_EQ(numbers_of(whole.result().values), rows_backwards());
  EXPECT_EQ(some.result().offsets.to_host<std::int64_t>(), (std::vector<std::int64_t>{0, 10, 20}));
  EXPECT_EQ(numbers_of(some.result().values)[0], count - 20);
  EXPECT_EQ(numbers_of(padded.result())[11], count - 10);
  EXPECT_EQ(numbers_of(padded.result())[10], 0);
}

TEST_F(Lifetimes, RaggedRowsAndTheirTablesOutliveTheirWork) {
  const Stream stream = make_stream();
  PackOptions options{.stream = stream_ref(stream)};
  std::optional<RaggedArray> array = rows_of(counting());
  std::vector<std::int64_t> all(count / 10);
  std::iota(all.begin(), all.end(), 0);
  std::optional<RaggedArray> taken = take(*array, {Indices(all)});
  const PackedRows packed = pack(*taken, {}, options);
  const DeviceBuffer row = reversed(array->row(0), stream_ref(stream));
  array.reset();
  taken.reset();
  reclaim_memory();
  EXPECT_EQ(numbers_of(packed.values), rows_backwards());
  EXPECT_EQ(numbers_of(row).front(), count - 1);
}

TEST_F(Lifetimes, AnAccessToRaggedRowsKeepsThem) {
  const Stream stream = make_stream();
  std::optional<RaggedArray> array = rows_of(counting());
  const std::byte* const first = array->row(count / 10 - 1).as_buffer()->data();
  std::int32_t seen = -1;
  {
    const Access access(stream_ref(stream), {*array});
    array.reset();
    fake_cuda::enqueue(stream.get(), [&seen, first] { std::memcpy(&seen, first + 4, 4); });
  }
  reclaim_memory();
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  EXPECT_EQ(seen, 1);
}

TEST_F(Lifetimes, AnAccessMayLieWithinACapture) {
  const Stream stream = make_stream();
  const DeviceBuffer result = reversed(uploaded(counting()));
  Consumer consumer;
  Capture capture(stream);
  {
    const Access access(stream_ref(stream), {result});
    consumer.reads(result, stream.get());
  }
  capture.launch();
  EXPECT_EQ(consumer.seen(), backwards());
}

TEST_F(Lifetimes, AGatherOnACapturedStreamIsRefusedBeforeTheCaptureIsHarmed) {
  const Stream stream = make_stream();
  const DeviceArray array = uploaded(counting());
  Capture capture(stream);
  const auto refused = [&](auto&& call) {
    expect_error(Errc::invalid_argument, "is being captured into a CUDA graph", call);
  };
  refused([&] { reversed(array, stream_ref(stream)); });
  refused([&] { uploaded(counting(), stream_ref(stream)); });
  refused([&] { array.device().synchronize(stream_ref(stream)); });
  refused([&] {
    GatherOptions request;
    request.stream = stream_ref(stream);
    const Plan plan(array, {}, request);
  });
  capture.launch();
}

TEST_F(Lifetimes, TheLegacyStreamIsRefusedWhileItCannotBeUsed) {
  const Stream blocking = make_stream(cudaStreamDefault);
  const DeviceArray array = uploaded(counting());
  const StreamRef legacy = stream_ref(cudaStream_t{nullptr});
  Consumer consumer;
  {
    Capture capture(blocking);
    expect_error(Errc::invalid_argument, "the legacy default stream cannot be used",
                 [&] { reversed(array, legacy); });
    {
      const DeviceBuffer result = reversed(array);
      result.order_before(legacy);
    }  // and is not marked on it now
    capture.launch();
  }
  EXPECT_EQ(numbers_of(reversed(array, legacy)), backwards());
}

TEST_F(Lifetimes, ARefusedGatherToMemoryOfTheCallersLeavesACaptureAsItWas) {
  const DeviceArray array = uploaded(counting());
  void* memory = nullptr;
  ASSERT_EQ(cudaMalloc(&memory, static_cast<std::size_t>(bytes)), cudaSuccess);
  const Stream stream = make_stream();
  Capture capture(stream);
  GatherOptions request;
  request.stream = stream_ref(stream);
  request.out = Output{memory, bytes, MemorySpace::device};
  expect_error(Errc::invalid_argument, "captured", [&] { copy(array.reverse(0), request); });
  capture.launch();
  ASSERT_EQ(cudaFree(memory), cudaSuccess);
}

TEST_F(Lifetimes, NothingElseDisturbsAThreadsCapture) {
  const Stream stream = make_stream();
  const DeviceArray array = uploaded(counting());
  const auto everything = [&] {
    const DeviceArray other = uploaded(counting(3));
    const DeviceBuffer result = reversed(other);
    EXPECT_EQ(numbers_of(result), backwards(3));
    const std::vector<std::int64_t> values{5, 2};
    const std::int64_t shape[] = {2};
    const DeviceBuffer indices =
        DeviceBuffer::from_host(array.device(), values.data(), shape, Format("q", 8));
    EXPECT_EQ(numbers_of(take(array, 0, Indices(indices))), (Numbers{5, 2}));
    EXPECT_TRUE(verify(result, result).equal());
    EXPECT_EQ(numbers_of(pack(rows_of(counting()), {}, {}).values), rows_backwards());
    PackOptions room{.items = 20};
    EXPECT_EQ(numbers_of(pack(rows_of(counting()), {Indices(indices)}, room).values)[0],
              count - 60);
    Plan plan(other, Selection{});
    plan.run().synchronize();
    result.order_before(stream_ref(cudaStream_t{nullptr}));
    array.device().info();
  };
  everything();  // whatever is made once
  Capture capture(stream);
  everything();
  std::thread(everything).join();
  capture.launch();
}

TEST_F(Lifetimes, WhatIsUsedInPlaceOutlivesItsWorkAlsoWithinACapture) {
  const Stream stream = make_stream();
  Numbers values = counting();
  ASSERT_EQ(cudaHostRegister(values.data(), static_cast<std::size_t>(bytes), 0), cudaSuccess);
  const std::int64_t shape[] = {count};
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  options.owner = std::shared_ptr<const void>(values.data(), [&](const void*) {
    std::ranges::fill(values, -1);  // as if it were somebody else's by now
  });
  std::optional<DeviceArray> array =
      upload(ArrayView::dense(values.data(), shape, Format("i", 4)), Device::open("cuda"), options);
  options.owner.reset();
  const DeviceBuffer result = reversed(*array);
  Capture capture(stream);
  array.reset();
  capture.launch();
  EXPECT_EQ(values, Numbers(count, -1));
  EXPECT_EQ(numbers_of(result), backwards());
  ASSERT_EQ(cudaHostUnregister(values.data()), cudaSuccess);
}

TEST_F(Lifetimes, APlansStreamMayGoBeforeItsResult) {
  const DeviceArray array = uploaded(counting());
  void* memory = nullptr;
  ASSERT_EQ(cudaMalloc(&memory, bytes), cudaSuccess);
  std::optional<DeviceBuffer> result;
  {
    const Stream stream = make_stream();
    GatherOptions request;
    request.stream = stream_ref(stream);
    request.out =
        Output{.data = memory, .bytes = bytes, .space = MemorySpace::device, .strides = {}};
    result = Plan(array.reverse(0), {}, request).run();
  }
  {
    const DeviceBuffer other = reversed(array);
    const Stream stream = make_stream();
    other.order_before(stream_ref(stream));
  }
  reclaim_memory();  // asks whether plans' streams are captured
  EXPECT_EQ(numbers_of(*result), backwards());
  result.reset();
  ASSERT_EQ(cudaFree(memory), cudaSuccess);
}

TEST_F(Lifetimes, MemoryThatWaitsForItsConsumerStaysDuringTheCaptureOfAPlan) {
  const Stream captured = make_stream();
  GatherOptions request;
  request.stream = stream_ref(captured);
  const DeviceArray array = uploaded(counting());
  const Plan plan(array.reverse(0), {}, request);
  Consumer consumer;
  {
    const DeviceBuffer result = reversed(array);
    const Stream stream = make_stream();
    result.order_before(stream_ref(stream));
    consumer.reads(result, stream.get());
  }
  Capture capture(captured);
  plan.run();
  reclaim_memory();
  capture.launch();
  reclaim_memory();
  EXPECT_EQ(consumer.seen(), backwards());
}

// Devices.

TEST_F(Lifetimes, AnOutputOnAnotherDeviceIsRefused) {
  const DeviceArray array = uploaded(counting());
  void* memory = nullptr;
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  ASSERT_EQ(cudaMalloc(&memory, bytes), cudaSuccess);
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
  GatherOptions request;
  request.out = Output{.data = memory, .bytes = bytes, .space = MemorySpace::device, .strides = {}};
  const auto refused = [&] {
    expect_error(Errc::invalid_argument,
                 "is in the memory of cuda:1, and the gather runs on cuda:0",
                 [&] { copy(array, request); });
    expect_error(Errc::invalid_argument, "is in the memory of cuda:1",
                 [&] { const Plan plan(array, {}, request); });
  };
  refused();
  ASSERT_EQ(cudaDeviceEnablePeerAccess(1, 0), cudaSuccess);
  refused();  // whether it works must not depend on what others have enabled
  ASSERT_EQ(cudaDeviceDisablePeerAccess(1), cudaSuccess);
  Numbers pageable(count);
  request.out->data = pageable.data();
  expect_error(Errc::invalid_argument, "is in pageable host memory", [&] { copy(array, request); });
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  ASSERT_EQ(cudaFree(memory), cudaSuccess);
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
}

TEST(Contexts, AreMadeOnTheDeviceThatIsAskedForAlone) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto use_the_last_device = [] {
    const std::string name = "cuda:" + std::to_string(fake_cuda::devices - 1);
    const DeviceList list = list_devices();
    for (int i = 0; i < fake_cuda::devices; ++i)
      if (fake_cuda::has_context(i) || list.devices[static_cast<std::size_t>(i)].free_bytes)
        std::_Exit(1);
    {
      const Numbers values(1 << 20);
      const DeviceArray array = uploaded(values, {}, name.c_str());
      const DeviceBuffer result = reversed(array);
      std::thread([&] { result.to_host(); }).join();
      if (Device::of_memory(result.data()).name() != name) std::_Exit(2);
      result.order_before({});
      result.synchronize();
    }
    int current = -1;
    cudaGetDevice(&current);
    if (current != 0) std::_Exit(3);
    for (int i = 0; i < fake_cuda::devices; ++i)
      if (fake_cuda::has_context(i) != (i == fake_cuda::devices - 1)) std::_Exit(4);
    if (!list_devices().devices[fake_cuda::devices - 1].free_bytes) std::_Exit(5);
    std::_Exit(0);
  };
  EXPECT_EXIT(use_the_last_device(), ::testing::ExitedWithCode(0), "");
}

// What a hand-over asks the driver.

TEST_F(Lifetimes, HandingOverAsksForNothingButTheOrder) {
  const DeviceBuffer result = reversed(uploaded(counting()));
  const fake_cuda::Counts before = fake_cuda::counts();
  dlpack::device_of(result);
  EXPECT_EQ(result.device().name(), "cuda:0");
  EXPECT_EQ(result.device().ordinal(), 0);
  EXPECT_EQ(fake_cuda::counts(), before);
  result.order_before(stream_ref(cudaStream_t{nullptr}));
  dlpack::ManagedTensorVersioned* const tensor = dlpack::to_versioned(result);
  tensor->deleter(tensor);
  EXPECT_EQ(fake_cuda::counts(), before);
}

TEST_F(Lifetimes, AUseThatCouldNotBeOrderedHidesNoEarlierOne) {
  const DeviceArray array = uploaded(counting());
  const Stream first = make_stream(), second = make_stream();
  {
    const DeviceBuffer out = reversed(array, stream_ref(first));
    GatherOptions request;
    request.stream = stream_ref(second);
    request.out = output_of(out);
    // The stream waits for the array, and cannot wait for the output.
    const fake_cuda::FailingCall failing(1, {.only = "cudaStreamWaitEvent"});
    expect_error(Errc::cuda_failure, "cudaStreamWaitEvent",
                 [&] { copy(array.reverse(0), request); });
  }
  reclaim_memory();
  fake_cuda::finish_all();  // ends the program where the kernel's memory has gone
}

TEST_F(Lifetimes, AnArrayThatIsReadOnEverNewStreamsDoesNotGrow) {
  const DeviceArray array = uploaded(counting());
  const auto read_on_new_streams = [&] {
    for (int i = 0; i < 200; ++i) {
      const Stream stream = make_stream();
      EXPECT_EQ(numbers_of(reversed(array, stream_ref(stream))), backwards());
      fake_cuda::finish_all();
    }
  };
  read_on_new_streams();
  const int events = fake_cuda::live().events;
  read_on_new_streams();
  EXPECT_EQ(fake_cuda::live().events, events);
}

// Slots of page-locked memory.

TEST_F(Lifetimes, ASlotWhoseCopyCouldNotBeMarkedIsNotFilledAgainTooEarly) {
  Backend& backend = backend_of(Device::open("cuda:0"));
  const Stream stream = make_stream();
  const auto block = backend.allocate(bytes, stream_ref(stream));
  const Numbers values = counting();
  {
    const fake_cuda::FailingCall failing(0, {.only = "cudaEventRecord"});
    expect_error(Errc::cuda_failure, "cudaEventRecord",
                 [&] { backend.write(*block, 0, values.data(), bytes, stream_ref(stream)); });
  }
  const Numbers others(count, -5);
  const auto other = backend.allocate(bytes, {});
  for (int i = 0; i < 100; ++i) backend.write(*other, 0, others.data(), bytes, {});
  Numbers seen(count);
  backend.read(seen.data(), block.get(), block->data(), bytes);
  EXPECT_EQ(seen, values);
}

// Kernels of the caller's over views, and tables of the caller's before arrays.

/// Rows of 250 of what `counting(first)` has. One is there twice, so that they need a table.
struct ShuffledRows {
  explicit ShuffledRows(std::int32_t first) : memory(counting(first)) {
    for (const int row : {2, 0, 3, 2}) pointers.push_back(memory.data() + row * 250);
  }
  ArrayView view() const { return ArrayView::from_rows(pointers, 250); }
  Numbers expected() const {
    Numbers all;
    for (const std::int32_t* row : pointers) all.insert(all.end(), row, row + 250);
    return all;
  }
  Numbers memory;
  std::vector<const std::int32_t*> pointers;
};

/// A kernel that reads every element of a view.
class Kernel {
 public:
  void launch(const ElementView<const std::int32_t, 2>& view, cudaStream_t stream) {
    fake_cuda::enqueue(stream, [seen = seen_, view] {
      for (std::int64_t row = 0; row < view.extent(0); ++row)
        for (const std::int32_t element : view.row(row)) seen->push_back(element);
    });
  }
  const Numbers& seen() const { return *seen_; }

 private:
  std::shared_ptr<Numbers> seen_ = std::make_shared<Numbers>();
};

DeviceArray behind_a_table(const ShuffledRows& rows) {
  UploadOptions options;
  options.simplify.duplicate = false;
  return upload(rows.view(), Device::open("cuda:0"), options);
}

TEST_F(Lifetimes, AKernelOverAViewReadsBeforeALaterUpdate) {
  const ShuffledRows rows(0), others(5000);
  const DeviceArray array = behind_a_table(rows);
  ASSERT_EQ(array.layout().levels(), 1);
  const Stream stream = make_stream();
  Kernel kernel;
  {
    const Access access(stream_ref(stream), {array});
    kernel.launch(elements<std::int32_t, 2>(array), stream.get());
  }
  update(array, others.view());
  EXPECT_EQ(numbers_of(copy(array)), others.expected());
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  EXPECT_EQ(kernel.seen(), rows.expected());
}

TEST_F(Lifetimes, AKernelOverAViewReadsAfterAnEarlierUpdate) {
  const ShuffledRows rows(0), others(5000);
  const DeviceArray array = behind_a_table(rows);
  update(array, others.view());
  const Stream stream = make_stream();
  Kernel kernel;
  {
    const Access access(stream_ref(stream), {array});
    kernel.launch(elements<std::int32_t, 2>(array), stream.get());
  }
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  EXPECT_EQ(kernel.seen(), others.expected());
}

TEST_F(Lifetimes, AKernelOverAViewOutlivesTheArray) {
  const ShuffledRows rows(0);
  const Stream stream = make_stream();
  Kernel kernel;
  {
    const DeviceArray array = behind_a_table(rows);
    const Access access(stream_ref(stream), {array});
    kernel.launch(elements<std::int32_t, 2>(array), stream.get());
  }
  // What is freed on the library's own stream is rubbish as soon as that has run.
  const DeviceArray next = uploaded(counting());
  next.device().synchronize({});
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  EXPECT_EQ(kernel.seen(), rows.expected());
}

DeviceBuffer table_of(const Numbers& entries) {
  const std::int64_t shape[] = {static_cast<std::int64_t>(entries.size())};
  return DeviceBuffer::from_host(Device::open("cuda:0"), entries.data(), shape, Format("i", 4));
}
/// Writes other entries, on a stream of the library's own.
void rewrite(const DeviceBuffer& table, const Numbers& entries) {
  GatherOptions options;
  options.out = output_of(table);
  copy(uploaded(entries), options);
}

TEST_F(Lifetimes, ATableIsReadBeforeItIsWrittenAgain) {
  const DeviceArray array = uploaded(counting());
  const DeviceBuffer table = table_of(backwards());
  const Stream stream = make_stream();
  GatherOptions options;
  options.stream = stream_ref(stream);
  const DeviceBuffer result = copy(array.through(0, table), options);
  rewrite(table, counting());
  EXPECT_EQ(numbers_of(table), counting());
  EXPECT_EQ(numbers_of(result), backwards());
}

TEST_F(Lifetimes, AndAfterItWasWrittenOnAnotherStream) {
  const DeviceArray array = uploaded(counting());
  const DeviceBuffer table = table_of(counting());
  const DeviceArray through = array.through(0, table);
  rewrite(table, backwards());
  const Stream stream = make_stream();
  GatherOptions options;
  options.stream = stream_ref(stream);
  EXPECT_EQ(numbers_of(copy(through, options)), backwards());
}

TEST_F(Lifetimes, ATableOutlivesTheGathersThatReadIt) {
  const Stream stream = make_stream();
  std::optional<DeviceBuffer> result;
  {
    const DeviceArray array = uploaded(counting());
    GatherOptions options;
    options.stream = stream_ref(stream);
    result = copy(array.through(0, table_of(backwards())), options);
  }
  reclaim_memory();
  EXPECT_EQ(numbers_of(*result), backwards());
}

TEST_F(Lifetimes, AnAccessToAnArrayThroughATableCoversTheTable) {
  const DeviceArray array = uploaded(counting());
  const DeviceBuffer table = table_of(backwards());
  const DeviceArray through = array.through(0, table);
  const Stream stream = make_stream();
  const auto seen = std::make_shared<Numbers>();
  {
    const Access access(stream_ref(stream), {through});
    fake_cuda::enqueue(stream.get(), [seen, view = elements<std::int32_t, 1>(through)] {
      for (std::int64_t i = 0; i < view.size(); ++i) seen->push_back(view(i));
    });
  }
  rewrite(table, counting());
  EXPECT_EQ(numbers_of(table), counting());
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  EXPECT_EQ(*seen, backwards());
}

}  // namespace
}  // namespace multibuffer::cuda
