// Kernels of users over views on a GPU, next to the same kernels over a T** and over dense memory;
// and Thrust by our iterators. `of_limit` is the fraction of what a copy on this device reaches in
// this run, of the bytes that must be read. Every result is compared with that over dense memory.

#include <multibuffer/cuda/stream.hpp>
#include <multibuffer/elements.hpp>
#include <multibuffer/multibuffer.hpp>

#include "bench/device_timing.hpp"
#include "bench/scattered.hpp"

#include <benchmark/benchmark.h>
#include <thrust/device_ptr.h>
#include <thrust/execution_policy.h>
#include <thrust/gather.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/iterator/transform_iterator.h>
#include <thrust/reduce.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace multibuffer::bench {
namespace {

constexpr std::int64_t all_bytes = std::int64_t{1} << 30;  // beyond every L2
constexpr std::int64_t picked = std::int64_t{1} << 24;
constexpr int samples = 11;

using View = ElementView<const std::uint32_t, 2>;

/// Rows of 32-bit numbers in one block, and pointers to them that are shuffled; as a T** on the
/// device, and as an array in place.
class Rows {
 public:
  explicit Rows(std::int64_t row_bytes)
      : length(row_bytes / 4),
        count(all_bytes / row_bytes),
        pointers(count * 8),
        array(made(block(), row_bytes)) {}

  /// Filled once, for all lengths.
  static DeviceBlock& block() {
    static DeviceBlock* const filled = [] {
      auto* const made = new DeviceBlock(all_bytes);
      made->write(HostBlock(all_bytes, false).data());
      return made;
    }();
    return *filled;
  }
  static const std::uint32_t* dense() {
    return reinterpret_cast<const std::uint32_t*>(block().data());
  }
  const std::uint32_t* const* table() const {
    return reinterpret_cast<const std::uint32_t* const*>(pointers.data());
  }

  std::int64_t length, count;
  DeviceBlock pointers;
  DeviceArray array;

 private:
  DeviceArray made(const DeviceBlock& from, std::int64_t row_bytes) {
    std::vector<const std::byte*> rows;
    for (std::int64_t i = 0; i < count; ++i)
      rows.push_back(from.data() + scattered(i, count) * row_bytes);
    pointers.write(rows.data());
    const ArrayView view(rows.data(), native_format<std::uint32_t>(),
                         Layout({{count, 8, 0}, {length, 4, 1}}, {0, 0}), true,
                         MemorySpace::device);
    UploadOptions options;
    options.placement = PlacementKind::in_place;
    return upload(view, Device::open("cuda"), options);
  }
};

// ---- Where a row is

struct ByView {
  View view;
  __device__ auto operator()(std::int64_t row) const { return view.row(row); }
};
struct ByPointers {
  const std::uint32_t* const* table;
  __device__ auto operator()(std::int64_t row) const { return table[row]; }
};
/// Finds rows that lie in order, by their length alone.
struct ByDense {
  const std::uint32_t* base;
  std::int64_t length;
  __device__ auto operator()(std::int64_t row) const { return base + row * length; }
};

/// Adds up each row by a warp.
template <class RowOf>
__global__ void sum_rows(RowOf row_of, std::int64_t count, std::int64_t length,
                         std::uint32_t* sums) {
  const std::int64_t warps = std::int64_t{gridDim.x} * blockDim.x / 32;
  const unsigned lane = threadIdx.x % 32;
  for (std::int64_t i = (std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / 32; i < count;
       i += warps) {
    const auto row = row_of(i);
    std::uint32_t sum = 0;
    for (std::int64_t j = lane; j < length; j += 32) sum += row[j];
    for (int distance = 16; distance > 0; distance /= 2)
      sum += __shfl_down_sync(~0u, sum, distance);
    if (lane == 0) sums[i] = sum;
  }
}

std::uint32_t total(const DeviceBlock& sums, std::int64_t count) {
  const std::vector<std::byte> bytes = sums.read();
  std::uint32_t all = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t sum = 0;
    std::memcpy(&sum, bytes.data() + i * 4, 4);
    all += sum;
  }
  return all;
}

template <class RowOf>
void sums(benchmark::State& state, const Rows& rows, const RowOf& row_of) {
  const DeviceBlock out(rows.count * 4);
  time_on_device(state, [&] {
    sum_rows<<<4096, 256, 0, stream()>>>(row_of, rows.count, rows.length,
                                         reinterpret_cast<std::uint32_t*>(out.data()));
  });
  require(cudaGetLastError());
  finish();
  static const std::uint32_t expected =
      thrust::reduce(thrust::device, thrust::device_pointer_cast(Rows::dense()),
                     thrust::device_pointer_cast(Rows::dense()) + all_bytes / 4, std::uint32_t{0});
  if (total(out, rows.count) != expected) state.SkipWithError("another sum");
  report(state, all_bytes, static_cast<double>(all_bytes));
}

void rows_by_view(benchmark::State& state) {
  const Rows rows(state.range(0));
  sums(state, rows, ByView{elements<std::uint32_t, 2>(rows.array)});
}
void rows_by_pointers(benchmark::State& state) {
  const Rows rows(state.range(0));
  sums(state, rows, ByPointers{rows.table()});
}
void rows_by_dense(benchmark::State& state) {
  const Rows rows(state.range(0));
  sums(state, rows, ByDense{Rows::dense(), rows.length});
}

// ---- Elements from anywhere

__global__ void pick(View view, const std::int32_t* rows, const std::int32_t* columns,
                     std::uint32_t* out) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  out[i] = view(rows[i], columns[i]);
}

/// Indices of elements, and the same as positions in the block.
struct Picks {
  DeviceBlock rows{picked * 4}, columns{picked * 4}, positions{picked * 8};

  explicit Picks(const Rows& of) {
    std::vector<std::int32_t> r, c;
    std::vector<std::int64_t> p;
    for (std::int64_t i = 0; i < picked; ++i) {
      const std::int64_t at = scattered(i, picked) * (all_bytes / 4 / picked);
      r.push_back(static_cast<std::int32_t>(at / of.length));
      c.push_back(static_cast<std::int32_t>(at % of.length));
      p.push_back(scattered(r.back(), of.count) * of.length + c.back());
    }
    rows.write(r.data());
    columns.write(c.data());
    positions.write(p.data());
  }
};

template <class Work>
void picks(benchmark::State& state, const Work& work) {
  const Rows rows(1024);
  const Picks at(rows);
  const DeviceBlock out(picked * 4), expected(picked * 4);
  const auto numbers = [](const DeviceBlock& block) {
    return reinterpret_cast<std::uint32_t*>(block.data());
  };
  const auto gather_dense = [&](const DeviceBlock& to) {
    const auto* const positions = reinterpret_cast<const std::int64_t*>(at.positions.data());
    thrust::gather(thrust::cuda::par_nosync.on(stream()), positions, positions + picked,
                   thrust::device_pointer_cast(Rows::dense()),
                   thrust::device_pointer_cast(numbers(to)));
  };
  time_on_device(state, [&] { work(rows, at, numbers(out), [&] { gather_dense(out); }); });
  gather_dense(expected);
  finish();
  if (out.read() != expected.read()) state.SkipWithError("other elements");
  report(state, picked * 4, 0);
}
void elements_by_view(benchmark::State& state) {
  picks(state, [](const Rows& rows, const Picks& at, std::uint32_t* out, const auto&) {
    pick<<<picked / 256, 256, 0, stream()>>>(
        elements<std::uint32_t, 2>(rows.array),
        reinterpret_cast<const std::int32_t*>(at.rows.data()),
        reinterpret_cast<const std::int32_t*>(at.columns.data()), out);
  });
}
void elements_by_thrust_gather(benchmark::State& state) {
  picks(state, [](const Rows&, const Picks&, std::uint32_t*, const auto& gather) { gather(); });
}

// ---- Reductions by Thrust

/// Finds an element by `/` and `%`, as users write it today.
struct Divided {
  const std::uint32_t* const* table;
  std::int64_t length;
  __device__ std::uint32_t operator()(std::int64_t i) const {
    return table[i / length][i % length];
  }
};

template <class Begin>
void reductions(benchmark::State& state, const Begin& begin_of) {
  const Rows rows(state.range(0));
  const auto first = begin_of(rows);
  std::uint32_t sum = 0;
  time_on_device(state, [&] {
    sum = thrust::reduce(thrust::cuda::par.on(stream()), first, first + all_bytes / 4,
                         std::uint32_t{0});
  });
  const auto dense = thrust::device_pointer_cast(Rows::dense());
  if (sum != thrust::reduce(thrust::device, dense, dense + all_bytes / 4, std::uint32_t{0}))
    state.SkipWithError("another sum");
  report(state, all_bytes, static_cast<double>(all_bytes));
}
void reduce_by_view(benchmark::State& state) {
  reductions(state,
             [](const Rows& rows) { return device_begin(elements<std::uint32_t, 2>(rows.array)); });
}
void reduce_by_division(benchmark::State& state) {
  reductions(state, [](const Rows& rows) {
    return thrust::make_transform_iterator(thrust::counting_iterator<std::int64_t>(0),
                                           Divided{rows.table(), rows.length});
  });
}
void reduce_dense(benchmark::State& state) {
  reductions(state, [](const Rows&) { return thrust::device_pointer_cast(Rows::dense()); });
}

const bool added = [] {
  const auto add = [](const char* name, auto* run, std::vector<std::int64_t> sizes) {
    auto* const bench = benchmark::RegisterBenchmark(name, run);
    for (const std::int64_t size : sizes) bench->Arg(size);
    bench->UseManualTime()->Iterations(samples);
  };
  const std::vector<std::int64_t> sizes{256, 1024, 65536};
  add("rows/view", rows_by_view, sizes);
  add("rows/pointers", rows_by_pointers, sizes);
  add("rows/dense", rows_by_dense, sizes);
  add("elements/view", elements_by_view, {});
  add("elements/thrust_gather", elements_by_thrust_gather, {});
  add("reduce/view", reduce_by_view, {256, 1024});
  add("reduce/division", reduce_by_division, {256, 1024});
  add("reduce/dense", reduce_dense, {256, 1024});
  return true;
}();

}  // namespace
}  // namespace multibuffer::bench
