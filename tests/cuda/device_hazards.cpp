#include <multibuffer/cuda/stream.hpp>
#include <multibuffer/multibuffer.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <future>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

// Shows on a card in some ten seconds whether streams and lifetimes are right: what the tests on
// the fake device prove of the calls, this proves of what a card makes of them. Prints a line a
// hazard, with numbers, and the totals last; the exit status is 1 if one failed, 2 if there is no
// device.
//
//   device_hazards [small]
//
// `small` is for the fake device, whose memory is 1 GiB and whose bytes a processor moves.

namespace multibuffer {
namespace {

using Numbers = std::vector<std::int64_t>;
using Clock = std::chrono::steady_clock;

/// How large and how often.
struct Scale {
  std::int64_t row_bytes;
  int rounds;                       ///< of what goes wrong only sometimes
  int takes_ahead;                  ///< enqueued while the device is busy
  std::chrono::milliseconds delay;  ///< for which a stream is kept busy
};
constexpr Scale of_a_card{1 << 20, 40, 200, std::chrono::milliseconds(10)};
constexpr Scale of_the_fake{1 << 12, 6, 200, std::chrono::milliseconds(1)};

void require(cudaError_t error) {
  if (error == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());
  throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorName(error));
}

// ---- What is told

struct Verdict {
  bool passed = false;
  std::string numbers;
};

/// One text of anything that can be printed.
template <class... Parts>
std::string joined(const Parts&... parts) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(1);
  (out << ... << parts);
  return out.str();
}

double milliseconds_since(Clock::time_point began) {
  return std::chrono::duration<double, std::milli>(Clock::now() - began).count();
}

double mebibytes(std::int64_t bytes) {
  return static_cast<double>(bytes) / static_cast<double>(1 << 20);
}

// ---- A consumer: its stream, its memory, and work that takes its time

cuda::Stream new_stream() {
  cudaStream_t stream = nullptr;
  require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return cuda::Stream(stream);
}

/// Memory that is not the library's, on the device or page-locked on the host.
class OwnMemory {
 public:
  OwnMemory(std::int64_t bytes, bool on_device) : bytes_(static_cast<std::size_t>(bytes)) {
    void* data = nullptr;
    require(on_device ? cudaMalloc(&data, bytes_)
                      : cudaHostAlloc(&data, bytes_, cudaHostAllocDefault));
    data_ = static_cast<std::byte*>(data);
  }
  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_;
  std::byte* data_;  // until the end of the process: freeing it would wait for all streams
};

/// Keeps `stream` busy, as a consumer's long kernel would; in pieces, each of which the fake device
/// does when it likes to.
void delay(cudaStream_t stream, std::chrono::milliseconds time) {
  constexpr int pieces = 100;
  static const auto sleep = [](void* microseconds) {
    std::this_thread::sleep_for(
        std::chrono::microseconds(reinterpret_cast<std::uintptr_t>(microseconds)));
  };
  const auto microseconds = static_cast<std::uintptr_t>(time.count() * 1000 / pieces);
  for (int i = 0; i < pieces; ++i)
    require(cudaLaunchHostFunc(stream, sleep, reinterpret_cast<void*>(microseconds)));
}

void copy_on(cudaStream_t stream, std::byte* to, const std::byte* from, std::size_t bytes,
             cudaMemcpyKind kind) {
  require(cudaMemcpyAsync(to, from, bytes, kind, stream));
}

/// How many bytes are not `value`.
std::int64_t bytes_other_than(std::byte value, const std::byte* bytes, std::size_t count) {
  return static_cast<std::int64_t>(count) - std::count(bytes, bytes + count, value);
}

// ---- What is gathered

/// Rows that are each full of their own number, behind pointers.
class Rows {
 public:
  Rows(const Device& device, std::int64_t row_bytes) : rows_(count) {
    std::array<const std::byte*, count> pointers{};
    for (std::size_t i = 0; i < count; ++i) {
      rows_[i].assign(static_cast<std::size_t>(row_bytes), value(static_cast<std::int64_t>(i)));
      pointers[i] = rows_[i].data();
    }
    array_.emplace(upload(ArrayView::from_rows(pointers.data(), count, row_bytes), device));
  }
  /// Some copies of one row.
  DeviceBuffer take(std::int64_t row, StreamRef stream,
                    std::optional<Output> out = std::nullopt) const {
    GatherOptions options;
    options.stream = stream;
    options.out = std::move(out);
    return multibuffer::take(*array_, 0, indices(row), options);
  }
  static Indices indices(std::int64_t row) {
    static const std::array<Numbers, count> all = [] {
      std::array<Numbers, count> lists;
      for (std::size_t i = 0; i < count; ++i) lists[i].assign(copies, static_cast<std::int64_t>(i));
      return lists;
    }();
    return Indices(all[static_cast<std::size_t>(row)]);
  }
  static std::byte value(std::int64_t row) { return static_cast<std::byte>(row + 1); }
  const DeviceArray& array() const { return *array_; }
  std::int64_t result_bytes() const { return static_cast<std::int64_t>(copies * rows_[0].size()); }

  static constexpr std::size_t count = 8;
  static constexpr std::size_t copies = 8;

 private:
  std::vector<std::vector<std::byte>> rows_;
  std::optional<DeviceArray> array_;
};

bool is_row(const std::vector<std::byte>& bytes, std::int64_t row) {
  return !bytes.empty() && bytes_other_than(Rows::value(row), bytes.data(), bytes.size()) == 0;
}

/// What every hazard needs.
struct Bench {
  Device device;
  Scale scale;
  Rows rows;
  OwnMemory on_device, on_host;  ///< of a consumer, for one result each
  OwnMemory speck;
  cuda::Stream aside = new_stream();

  Bench(Device device_, const Scale& scale_)
      : device(std::move(device_)),
        scale(scale_),
        rows(device, scale.row_bytes),
        on_device(rows.result_bytes(), true),
        on_host(rows.result_bytes(), false),
        speck(1, true) {}

  /// Has the device go on with what nobody waits for, frees above all. A card does so by itself;
  /// the fake one does a little with each call.
  void pass_time() {
    for (int i = 0; i < 400; ++i) require(cudaMemsetAsync(speck.data(), i, 1, aside.get()));
    require(cudaStreamSynchronize(aside.get()));
  }
};

/// Whether the consumer's memory, when its stream is done, is full of a row.
bool consumer_has_row(const Bench& bench, cudaStream_t stream, std::int64_t row) {
  copy_on(stream, bench.on_host.data(), bench.on_device.data(), bench.on_host.bytes(),
          cudaMemcpyDeviceToHost);
  require(cudaStreamSynchronize(stream));
  return bytes_other_than(Rows::value(row), bench.on_host.data(), bench.on_host.bytes()) == 0;
}

// ---- A: memory that a consumer was given

/// Gives results to a consumer who reads them late, and lets go of them at once; then takes other
/// rows, which would like to have that memory. Counts the consumer's results that are not right.
Verdict consumer_reads_late(Bench& bench, cudaStream_t consumer) {
  int wrong = 0;
  for (int round = 0; round < bench.scale.rounds; ++round) {
    const std::int64_t row = round % 2;
    bench.pass_time();
    {
      const DeviceBuffer result = bench.rows.take(row, {});
      result.order_before(cuda::stream_ref(consumer));
      dlpack::ManagedTensorVersioned* tensor = dlpack::to_versioned(result);
      delay(consumer, bench.scale.delay);
      copy_on(consumer, bench.on_device.data(), static_cast<std::byte*>(tensor->tensor.data),
              bench.on_device.bytes(), cudaMemcpyDeviceToDevice);
      tensor->deleter(tensor);
    }
    for (int i = 0; i < 4; ++i) bench.rows.take(2 + i, {}).synchronize();
    if (!consumer_has_row(bench, consumer, row)) ++wrong;
  }
  return {wrong == 0, joined(wrong, " of ", bench.scale.rounds, " results were overwritten")};
}

Verdict consumer_with_a_stream(Bench& bench) {
  const cuda::Stream stream = new_stream();
  return consumer_reads_late(bench, stream.get());
}

Verdict consumer_on_the_legacy_stream(Bench& bench) {
  return consumer_reads_late(bench, cudaStreamLegacy);
}

// ---- A: memory that work of one's own uses, which an Access declares

/// As a consumer that reads late, without DLPack.
Verdict own_work_reads_late(Bench& bench) {
  const cuda::Stream stream = new_stream();
  int wrong = 0;
  for (int round = 0; round < bench.scale.rounds; ++round) {
    const std::int64_t row = round % 2;
    bench.pass_time();
    {
      const DeviceBuffer result = bench.rows.take(row, {});
      const Access access(cuda::stream_ref(stream), {result});
      delay(stream.get(), bench.scale.delay);
      copy_on(stream.get(), bench.on_device.data(), result.data(), bench.on_device.bytes(),
              cudaMemcpyDeviceToDevice);
    }
    for (int i = 0; i < 4; ++i) bench.rows.take(2 + i, {}).synchronize();
    if (!consumer_has_row(bench, stream.get(), row)) ++wrong;
  }
  return {wrong == 0, joined(wrong, " of ", bench.scale.rounds, " results were overwritten")};
}

/// What is written late is what is read afterwards.
Verdict own_work_writes_late(Bench& bench) {
  const cuda::Stream stream = new_stream();
  const DeviceBuffer result = bench.rows.take(0, {});
  {
    const Access access(cuda::stream_ref(stream), {}, {result});
    delay(stream.get(), bench.scale.delay);
    require(cudaMemsetAsync(result.data(), std::to_integer<int>(Rows::value(6)),
                            bench.on_device.bytes(), stream.get()));
  }
  const bool right = is_row(result.to_host(), 6);
  return {right, right ? "the new bytes were read" : "the old bytes were read"};
}

// ---- B: how far the pool grows

/// What the device's pool has taken from the driver, and how much of that is in use.
struct PoolSize {
  std::int64_t reserved = 0;
  std::int64_t used = 0;
};
PoolSize pool_size(const Device& device) {
  cudaMemPool_t pool = nullptr;
  require(cudaDeviceGetDefaultMemPool(&pool, device.info().ordinal));
  const auto asked = [&](cudaMemPoolAttr which) {
    std::uint64_t bytes = 0;
    require(cudaMemPoolGetAttribute(pool, which, &bytes));
    return static_cast<std::int64_t>(bytes);
  };
  return {asked(cudaMemPoolAttrReservedMemCurrent), asked(cudaMemPoolAttrUsedMemCurrent)};
}

/// Whether `work` leaves the pool with no more than some results more than it had.
Verdict pool_grows_little(Bench& bench, const std::function<void()>& work) {
  constexpr std::int64_t results = 16;
  bench.device.synchronize();
  const PoolSize before = pool_size(bench.device);
  work();
  const PoolSize after = pool_size(bench.device);
  const std::int64_t grown = after.reserved - before.reserved;
  return {grown <= results * bench.rows.result_bytes(),
          joined(bench.scale.takes_ahead, " results of ", mebibytes(bench.rows.result_bytes()),
                 " MiB: the pool grew by ", mebibytes(grown), " MiB to ", mebibytes(after.reserved),
                 " MiB, of which ", mebibytes(after.used), " MiB in use")};
}

Verdict takes_ahead_of_a_stream(Bench& bench) {
  const cuda::Stream stream = new_stream();
  Verdict verdict = pool_grows_little(bench, [&] {
    delay(stream.get(), 10 * bench.scale.delay);
    for (int i = 0; i < bench.scale.takes_ahead; ++i) bench.rows.take(0, cuda::stream_ref(stream));
  });
  require(cudaStreamSynchronize(stream.get()));
  return verdict;
}

Verdict takes_ahead_of_the_private_stream(Bench& bench) {
  const cuda::Stream stream = new_stream();
  Verdict verdict = pool_grows_little(bench, [&] {
    // The private stream has to wait for indices that come late on another.
    delay(stream.get(), 10 * bench.scale.delay);
    const Numbers numbers{0}, shape{1};
    const auto late = DeviceBuffer::from_host(bench.device, numbers.data(), shape, Format("q", 8),
                                              {.stream = cuda::stream_ref(stream)});
    take(bench.rows.array(), 0, Indices(late));
    for (int i = 0; i < bench.scale.takes_ahead; ++i) bench.rows.take(0, {});
  });
  bench.device.synchronize();
  return verdict;
}

Verdict handed_over_and_read(Bench& bench) {
  const cuda::Stream consumer = new_stream();
  return pool_grows_little(bench, [&] {
    for (int i = 0; i < bench.scale.takes_ahead; ++i) {
      const DeviceBuffer result = bench.rows.take(0, {});
      result.order_before(cuda::stream_ref(consumer));
      copy_on(consumer.get(), bench.on_device.data(), result.data(), bench.on_device.bytes(),
              cudaMemcpyDeviceToDevice);
      require(cudaStreamSynchronize(consumer.get()));
    }
  });
}

// ---- F: who reads waits for the contents, whatever stream they come on

Verdict read_by_another_thread(Bench& bench) {
  std::promise<DeviceBuffer> result;
  std::promise<void> read;
  std::thread other([&] {
    try {
      delay(cudaStreamPerThread, bench.scale.delay);
      result.set_value(bench.rows.take(1, cuda::stream_ref(cudaStreamPerThread)));
    } catch (...) {
      result.set_exception(std::current_exception());
    }
    read.get_future().wait();  // its stream lives as long as it does
  });
  bool right = false;
  try {
    right = is_row(result.get_future().get().to_host(), 1);
  } catch (...) {
    read.set_value();
    other.join();
    throw;
  }
  read.set_value();
  other.join();
  return {right, right ? "its bytes are there" : "its bytes were not there yet"};
}

Verdict read_after_another_stream_wrote(Bench& bench) {
  const cuda::Stream first = new_stream(), second = new_stream();
  const DeviceBuffer result = bench.rows.take(0, cuda::stream_ref(first));
  result.synchronize();
  delay(second.get(), bench.scale.delay);
  bench.rows.take(1, cuda::stream_ref(second), output_of(result));
  const std::vector<std::byte> bytes = result.to_host();
  require(cudaStreamSynchronize(second.get()));
  const bool right = is_row(bytes, 1);
  return {right, right ? "the new bytes were read" : "the old bytes were read"};
}

// ---- G, H: captures into a CUDA graph

/// What is captured on a stream from this object's life on, in the mode that is torch's.
class Capture {
 public:
  explicit Capture(cudaStream_t stream) : stream_(stream) {
    require(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  }
  ~Capture() {
    cudaGraph_t graph = nullptr;
    if (stream_) static_cast<void>(cudaStreamEndCapture(stream_, &graph));
    static_cast<void>(cudaGetLastError());
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  /// Ends it and launches the graph so many times; false if the capture was spoilt.
  bool end_and_launch(int times) {
    cudaGraph_t graph = nullptr;
    cudaStream_t stream = std::exchange(stream_, nullptr);
    if (cudaStreamEndCapture(stream, &graph) != cudaSuccess || !graph) {
      static_cast<void>(cudaGetLastError());
      return false;
    }
    cudaGraphExec_t executable = nullptr;
    require(cudaGraphInstantiate(&executable, graph, 0));
    for (int i = 0; i < times; ++i) require(cudaGraphLaunch(executable, stream));
    require(cudaStreamSynchronize(stream));
    require(cudaGraphExecDestroy(executable));
    require(cudaGraphDestroy(graph));
    return true;
  }

 private:
  cudaStream_t stream_;
};

/// What `work` said when it refused; nothing if it did not.
std::string refusal_of(const std::function<void()>& work) {
  try {
    work();
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

/// A plan's run and the hand-over of its result, both captured.
Verdict hand_over_in_a_capture(Bench& bench) {
  const cuda::Stream stream = new_stream();
  GatherOptions options;
  options.stream = cuda::stream_ref(stream);
  const Plan plan(bench.rows.array(), {.groups = {{{0}, {Rows::indices(3)}, {}}}}, options);
  const DeviceBuffer before = bench.rows.take(4, {});

  Capture capture(stream.get());
  plan.run();
  const std::string refusal = refusal_of([&] {
    plan.result().order_before(cuda::stream_ref(stream));
    before.order_before(cuda::stream_ref(stream));
  });
  copy_on(stream.get(), bench.on_device.data(), plan.result().data(), bench.on_device.bytes(),
          cudaMemcpyDeviceToDevice);
  if (!capture.end_and_launch(1)) return {false, joined("the capture was spoilt; ", refusal)};

  copy_on(stream.get(), bench.on_host.data(), bench.on_device.data(), bench.on_host.bytes(),
          cudaMemcpyDeviceToHost);
  require(cudaStreamSynchronize(stream.get()));
  const std::int64_t wrong =
      bytes_other_than(Rows::value(3), bench.on_host.data(), bench.on_host.bytes());
  return {wrong == 0, joined(refusal.empty() ? "it works" : "it is refused: ", refusal, "; ", wrong,
                             " of ", bench.on_host.bytes(), " bytes of the graph are wrong")};
}

/// Takes and reads while another thread captures.
Verdict calls_during_a_capture(Bench& bench) {
  const cuda::Stream stream = new_stream();
  Capture capture(stream.get());
  require(cudaMemsetAsync(bench.on_device.data(), 7, bench.on_device.bytes(), stream.get()));
  bool right = true;
  std::string refusal;
  std::thread([&] {
    refusal = refusal_of([&] { right = is_row(bench.rows.take(5, {}).to_host(), 5); });
  }).join();
  const bool whole = capture.end_and_launch(1);
  return {whole && right,
          joined("the capture is ", whole ? "whole" : "spoilt", ", what was read ",
                 right ? "right" : "wrong", refusal.empty() ? "" : "; refused: ", refusal)};
}

/// An array in place ends while a stream is captured and work on it is under way: its owner must
/// stay until that work has ended.
Verdict owner_during_a_capture(Bench& bench) {
  struct Watched {
    std::atomic<bool> delayed = false;  ///< what the work on the array waits for has ended
    std::atomic<bool> gone_early = false;
  };
  const auto watched = std::make_shared<Watched>();
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  options.owner = std::shared_ptr<const void>(
      watched.get(), [watched](const void*) { watched->gone_early = !watched->delayed; });
  const Numbers shape{static_cast<std::int64_t>(bench.on_device.bytes())};
  std::optional<DeviceArray> array = upload(
      ArrayView::dense(bench.on_device.data(), shape, Format("B", 1), true, MemorySpace::device),
      bench.device, options);
  options.owner = nullptr;

  const cuda::Stream busy = new_stream(), captured = new_stream();
  const OwnMemory of_the_graph(1, true);
  delay(busy.get(), bench.scale.delay);
  require(cudaLaunchHostFunc(
      busy.get(), [](void* delayed) { *static_cast<std::atomic<bool>*>(delayed) = true; },
      &watched->delayed));
  GatherOptions into_out;
  into_out.stream = cuda::stream_ref(busy);
  const DeviceBuffer result = copy(*array, into_out);

  Capture capture(captured.get());
  require(cudaMemsetAsync(of_the_graph.data(), 0, 1, captured.get()));
  array.reset();
  const bool whole = capture.end_and_launch(1);
  require(cudaStreamSynchronize(busy.get()));
  const bool early = watched->gone_early;
  return {whole && !early,
          joined("the capture is ", whole ? "whole" : "spoilt", ", the owner went ",
                 early ? "before" : "after", " the work on it")};
}

/// A plan whose description is too large for a kernel's parameters, and lies in the device's
/// memory: each launch of a graph reads it there.
Verdict lists_in_a_graph(Bench& bench) {
  constexpr int axes = 12;
  std::vector<std::int32_t> elements(std::size_t{1} << axes);
  std::iota(elements.begin(), elements.end(), 0);
  const ArrayView view = ArrayView::dense(elements.data(), Numbers(axes, 2), Format("i", 4));
  const auto turned = [&](const Device& device) { return upload(view, device).transpose(); };
  const std::vector<std::byte> expected = copy(turned(Device::host())).to_host();

  const cuda::Stream stream = new_stream();
  GatherOptions options;
  options.stream = cuda::stream_ref(stream);
  const Plan plan(turned(bench.device), {}, options);
  Capture capture(stream.get());
  plan.run();
  if (!capture.end_and_launch(3)) return {false, "the capture was spoilt"};
  const bool right = plan.result().to_host() == expected;
  return {right, right ? "3 launches, the right bytes" : "wrong bytes"};
}

// ---- I: what a hand-over costs the host

/// Microseconds a call of `work`: the least of the means of what there is time for.
double microseconds_each(const std::function<void()>& work) {
  constexpr int calls = 50;
  double least = std::numeric_limits<double>::max();
  const Clock::time_point end = Clock::now() + std::chrono::milliseconds(50);
  while (Clock::now() < end) {
    const Clock::time_point began = Clock::now();
    for (int i = 0; i < calls; ++i) work();
    least = std::min(least, 1e3 * milliseconds_since(began) / calls);
  }
  return least;
}

Verdict time_of_a_hand_over(Bench& bench) {
  constexpr double most = 2;
  const DeviceBuffer result = bench.rows.take(0, {});
  const auto hand_over = [&] {
    dlpack::ManagedTensorVersioned* tensor = dlpack::to_versioned(result);
    tensor->deleter(tensor);
  };
  const double tensor = microseconds_each(hand_over);
  const double name = microseconds_each([&] { static_cast<void>(bench.device.name()); });
  const double ordered = microseconds_each([&] {
    result.order_before(cuda::stream_ref(cudaStreamLegacy));
    hand_over();
  });
  const double info = microseconds_each([] {
    std::size_t free = 0;
    std::size_t total = 0;
    require(cudaMemGetInfo(&free, &total));
  });
  return {tensor < most && name < most,
          joined(std::setprecision(2), "a tensor ", tensor, " us, a device's name ", name,
                 " us, a tensor in order with a stream ", ordered,
                 " us; cudaMemGetInfo, which none of "
                 "them may call, ",
                 info, " us")};
}

// ---- What the library builds on

/// Streams are told apart by their ids, so one name that means two streams must have two.
Verdict ids_of_the_per_thread_stream(Bench&) {
  const auto ask = [] {
    unsigned long long id = 0;
    require(cudaStreamGetId(cudaStreamPerThread, &id));
    return id;
  };
  const unsigned long long here = ask();
  const unsigned long long there = std::async(std::launch::async, ask).get();
  return {here != there, joined("cudaStreamPerThread is ", here, " here and ", there, " there")};
}

// ---- All of them

struct Hazard {
  const char* name;
  Verdict (*check)(Bench&);
};
constexpr Hazard hazards[] = {
    {"A consumer's stream", consumer_with_a_stream},
    {"A legacy stream", consumer_on_the_legacy_stream},
    {"A work of one's own that reads", own_work_reads_late},
    {"A work of one's own that writes", own_work_writes_late},
    {"B takes run ahead of a stream", takes_ahead_of_a_stream},
    {"B takes run ahead of the private stream", takes_ahead_of_the_private_stream},
    {"B results handed over and read", handed_over_and_read},
    {"F read by another thread", read_by_another_thread},
    {"F read after another stream wrote", read_after_another_stream_wrote},
    {"G hand-over in a capture", hand_over_in_a_capture},
    {"H calls during a capture", calls_during_a_capture},
    {"H owner ends during a capture", owner_during_a_capture},
    {"I time of a hand-over", time_of_a_hand_over},
    {"graph of a plan with lists", lists_in_a_graph},
    {"ids of cudaStreamPerThread", ids_of_the_per_thread_stream},
};

bool passes(const Hazard& hazard, Bench& bench) {
  const Clock::time_point began = Clock::now();
  Verdict verdict;
  try {
    verdict = hazard.check(bench);
    require(cudaGetLastError());
  } catch (const std::exception& error) {
    verdict = {false, error.what()};
  }
  std::cout << joined(verdict.passed ? "PASS " : "FAIL ", hazard.name, ": ", verdict.numbers, " (",
                      milliseconds_since(began), " ms)")
            << std::endl;
  return verdict.passed;
}

int run(const Scale& scale) {
  if (const DeviceList list = list_devices(); list.devices.size() == 1) {
    std::cout << "hazards: no CUDA device: " << list.why_no_cuda << std::endl;
    return 2;
  }
  const Clock::time_point began = Clock::now();
  Bench bench(Device::open("cuda"), scale);
  bench.rows.take(0, {}).synchronize();
  std::cout << joined(bench.device.info().description, ": opened, and its first result there, in ",
                      milliseconds_since(began), " ms")
            << std::endl;
  const auto passed =
      std::ranges::count_if(hazards, [&](const Hazard& hazard) { return passes(hazard, bench); });
  const auto failed = std::ssize(hazards) - passed;
  std::cout << "hazards: " << passed << " passed, " << failed << " failed" << std::endl;
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace multibuffer

int main(int argc, char** argv) {
  try {
    const bool small = argc > 1 && std::string_view(argv[1]) == "small";
    return multibuffer::run(small ? multibuffer::of_the_fake : multibuffer::of_a_card);
  } catch (const std::exception& error) {
    std::cout << "hazards: " << error.what() << std::endl;
    return 1;
  }
}
