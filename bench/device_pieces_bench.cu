// What this device's memory does with reads alone: aligned pieces of a block far beyond its caches,
// in order and from anywhere, without tables and without results. `of_limit` counts whole pieces,
// however little of one is wanted: where it falls as less is wanted, bytes are the limit, and where
// it does not, how often another place is asked for. Sums of all that was read tell whether it was.

#include "bench/device_timing.hpp"

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace multibuffer::bench {
namespace {

constexpr std::int64_t block_bytes = std::int64_t{1} << 30;
constexpr int samples = 11;
constexpr int threads = 128;
constexpr int in_flight = 4;  ///< loads of a thread

struct Pieces {
  const std::byte* block;
  std::uint32_t count;      ///< a power of two
  std::uint32_t bytes;      ///< from one to the next
  std::uint32_t per_piece;  ///< vectors that are wanted of each
  bool in_order;
};

/// A permutation of the pieces, made of steps that can be undone: what a table would say, without
/// the time to read it.
__device__ std::uint32_t scattered(std::uint32_t number, std::uint32_t count) {
  const std::uint32_t mask = count - 1;
  const int half = (32 - __clz(static_cast<int>(mask)) + 1) / 2;
  for (const std::uint32_t factor : {0x9e3779b9u, 0xbf58476du, 0x94d049bbu}) {
    number = (number * factor + 0x1234567) & mask;
    number ^= number >> half;
  }
  return number;
}

__device__ std::uint32_t sum_of(std::uint32_t vector) { return vector; }
__device__ std::uint32_t sum_of(uint4 vector) { return vector.x + vector.y + vector.z + vector.w; }

/// Consecutive threads read consecutive vectors of a piece, then those of the next.
template <class Vector>
__global__ void read_pieces(Pieces pieces, unsigned long long* sum) {
  const std::uint32_t vectors = pieces.count * pieces.per_piece;
  const std::uint32_t first = blockIdx.x * blockDim.x * in_flight + threadIdx.x;
  Vector values[in_flight] = {};
  for (int k = 0; k < in_flight; ++k) {
    const std::uint32_t vector = first + k * blockDim.x;
    if (vector >= vectors) continue;
    const std::uint32_t number = vector / pieces.per_piece;
    const std::uint32_t piece = pieces.in_order ? number : scattered(number, pieces.count);
    const std::size_t at = std::size_t{piece} * pieces.bytes +
                           std::size_t{vector - number * pieces.per_piece} * sizeof(Vector);
    values[k] = __ldg(reinterpret_cast<const Vector*>(pieces.block + at));
  }
  unsigned long long found = 0;
  for (const Vector& value : values) found += sum_of(value);
  for (int lanes = 16; lanes > 0; lanes /= 2) found += __shfl_down_sync(~0u, found, lanes);
  if (threadIdx.x % 32 == 0) atomicAdd(sum, found);
}

/// What is read, made once, and what its vectors' sums add up to.
struct Block {
  HostBlock host{block_bytes, false};
  DeviceBlock device{block_bytes};

  Block() { device.write(host.data()); }

  std::uint64_t sum(std::int64_t piece, std::int64_t wanted, std::int64_t vector) const {
    std::uint64_t sum = 0;
    for (std::int64_t at = 0; at < block_bytes; at += piece)
      for (std::int64_t v = at; v < at + wanted; v += vector) {
        std::uint32_t of_vector = 0;
        for (std::int64_t w = v; w < v + vector; w += 4) {
          std::uint32_t word = 0;
          std::memcpy(&word, host.data() + w, sizeof word);
          of_vector += word;
        }
        sum += of_vector;
      }
    return sum;
  }
};
Block& block() {
  static Block made;
  return made;
}

template <class Vector>
void read(benchmark::State& state, std::int64_t piece, std::int64_t wanted, bool in_order) {
  const auto size = static_cast<std::int64_t>(sizeof(Vector));
  const Pieces pieces{block().device.data(), static_cast<std::uint32_t>(block_bytes / piece),
                      static_cast<std::uint32_t>(piece), static_cast<std::uint32_t>(wanted / size),
                      in_order};
  const std::uint32_t a_block = threads * in_flight;
  const std::uint32_t blocks = (pieces.count * pieces.per_piece + a_block - 1) / a_block;
  const DeviceBlock sum(8);
  auto* const at = reinterpret_cast<unsigned long long*>(sum.data());
  const auto work = [&] {
    require(cudaMemsetAsync(at, 0, sizeof *at, stream()));
    read_pieces<Vector><<<blocks, threads, 0, stream()>>>(pieces, at);
    require(cudaGetLastError());
  };
  time_on_device(state, work);
  finish();
  std::uint64_t found = 0;
  require(cudaMemcpy(&found, at, sizeof found, cudaMemcpyDeviceToHost));
  if (found != block().sum(piece, wanted, size))
    state.SkipWithError("the sum of what was read is wrong");
  const double count = pieces.count;
  report(state, count * static_cast<double>(wanted), count * static_cast<double>(piece));
  state.counters["pieces"] = benchmark::Counter(
      count, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
}

void add_all() {
  for (const std::int64_t piece : {32, 64, 128, 256})
    for (const bool in_order : {true, false})
      for (const std::int64_t wanted : {4, 16, 32, 64, 128, 256}) {
        if (wanted > piece) continue;
        const std::string name =
            std::string(in_order ? "pieces/in_order_of_" : "pieces/random_of_") +
            std::to_string(piece);
        benchmark::RegisterBenchmark(name.c_str(),
                                     [=](benchmark::State& state) {
                                       if (wanted == 4)
                                         read<std::uint32_t>(state, piece, wanted, in_order);
                                       else
                                         read<uint4>(state, piece, wanted, in_order);
                                     })
            ->Arg(wanted)
            ->UseManualTime()
            ->Unit(benchmark::kMicrosecond)
            ->Iterations(samples);
      }
}

int run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (!there_is_a_device()) return 0;
  benchmark::AddCustomContext("copy_bytes_per_second", std::to_string(copy_rate()));
  add_all();
  benchmark::RunSpecifiedBenchmarks();
  ::benchmark::Shutdown();
  return 0;
}

}  // namespace
}  // namespace multibuffer::bench

int main(int argc, char** argv) { return multibuffer::bench::run(argc, argv); }
