// Measures reads alone of this device's memory: aligned pieces of a block far beyond its caches,
// in order and from anywhere, without results. Where fewer bytes of each are wanted and as many
// pieces come a second, it is places that are the limit, not bytes. Places are read from a list, 4
// bytes a piece, one after another, as a gather's are. Sums tell whether all was read.

#include "bench/device_timing.hpp"
#include "bench/scattered.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

namespace multibuffer::bench {
namespace {

constexpr std::int64_t block_bytes = std::int64_t{1} << 30;
constexpr int samples = 11;
constexpr int threads = 128;
constexpr int in_flight = 4;  ///< loads of a thread
constexpr int warp_lanes = 32;

struct Pieces {
  const std::byte* block;
  const std::uint32_t* order;
  std::uint32_t bytes;        ///< from one to the next
  std::uint32_t vectors;      ///< of all pieces
  int log_vectors_per_piece;  ///< of those that are wanted
};

__device__ std::uint32_t sum_of(std::uint32_t vector) { return vector; }
__device__ std::uint32_t sum_of(uint4 vector) { return vector.x + vector.y + vector.z + vector.w; }

/// Consecutive threads read consecutive vectors of a piece, then those of the next; every warp says
/// what its own add up to.
template <class Vector>
__global__ void read_pieces(Pieces pieces, std::uint32_t* sums) {
  const std::uint32_t first = blockIdx.x * blockDim.x * in_flight + threadIdx.x;
  const std::uint32_t mask = (1u << pieces.log_vectors_per_piece) - 1;
  Vector values[in_flight] = {};
  for (int k = 0; k < in_flight; ++k) {
    const std::uint32_t vector = first + k * blockDim.x;
    if (vector >= pieces.vectors) continue;
    const std::size_t piece = __ldg(pieces.order + (vector >> pieces.log_vectors_per_piece));
    values[k] = __ldg(reinterpret_cast<const Vector*>(pieces.block + piece * pieces.bytes +
                                                      (vector & mask) * sizeof(Vector)));
  }
  std::uint32_t sum = 0;
  for (const Vector& value : values) sum += sum_of(value);
  for (int lanes = warp_lanes / 2; lanes > 0; lanes /= 2) sum += __shfl_down_sync(~0u, sum, lanes);
  if (threadIdx.x % warp_lanes == 0)
    sums[(blockIdx.x * blockDim.x + threadIdx.x) / warp_lanes] = sum;
}

/// The block that all cases read, made once.
struct Block {
  HostBlock host{block_bytes, false};
  DeviceBlock device{block_bytes};

  Block() { device.write(host.data()); }
};
Block& block() {
  static Block made;
  return made;
}

/// Returns the sum of the first `wanted` bytes of every piece.
std::uint32_t sum_on_host(std::int64_t piece, std::int64_t wanted) {
  std::uint32_t sum = 0;
  for (std::int64_t at = 0; at < block_bytes; at += piece)
    for (std::int64_t w = at; w < at + wanted; w += 4) {
      std::uint32_t word = 0;
      std::memcpy(&word, block().host.data() + w, sizeof word);
      sum += word;
    }
  return sum;
}

template <class Vector>
void read(benchmark::State& state, std::int64_t piece, std::int64_t wanted, bool in_order) {
  const std::int64_t count = block_bytes / piece;
  const std::int64_t per_piece = wanted / static_cast<std::int64_t>(sizeof(Vector));
  std::vector<std::uint32_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0u);
  if (!in_order)
    std::ranges::transform(order, order.begin(), [&](std::uint32_t number) {
      return static_cast<std::uint32_t>(scattered(number, count));
    });
  DeviceBlock device_order(4 * count);
  device_order.write(order.data());

  const auto vectors = static_cast<std::uint32_t>(count * per_piece);
  const unsigned blocks = vectors / (threads * in_flight);  // both are powers of two
  const DeviceBlock sums(std::int64_t{4} * blocks * (threads / warp_lanes));
  const Pieces pieces{block().device.data(),
                      reinterpret_cast<const std::uint32_t*>(device_order.data()),
                      static_cast<std::uint32_t>(piece), vectors,
                      std::countr_zero(static_cast<std::uint64_t>(per_piece))};
  time_on_device(state, [&] {
    read_pieces<Vector>
        <<<blocks, threads, 0, stream()>>>(pieces, reinterpret_cast<std::uint32_t*>(sums.data()));
    require(cudaGetLastError());
  });
  finish();
  const std::vector<std::byte> found = sums.read();
  std::uint32_t sum = 0;
  for (std::size_t at = 0; at < found.size(); at += 4) {
    std::uint32_t of_warp = 0;
    std::memcpy(&of_warp, found.data() + at, sizeof of_warp);
    sum += of_warp;
  }
  if (sum != sum_on_host(piece, wanted)) state.SkipWithError("the sum of what was read is wrong");
  report(state, static_cast<double>(count * wanted), 0);
  state.counters["pieces"] =
      benchmark::Counter(static_cast<double>(count), benchmark::Counter::kIsIterationInvariantRate,
                         benchmark::Counter::kIs1000);
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

}  // namespace
}  // namespace multibuffer::bench

int main(int argc, char** argv) {
  using namespace multibuffer::bench;
  return run_on_a_device(argc, argv, add_all);
}
