#include <multibuffer/multibuffer.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

// The stages on arrays of row pointers, next to the plainest thing that could do the same work: a
// memcpy per row, or one for all. Rates are of payload, in bytes. Every result's bits are checked
// before it is timed.

namespace {

using namespace multibuffer;

enum class RowOrder { in_order, shuffled };

/// Rows of `row_bytes` in one block, and pointers to them in order or shuffled.
struct Rows {
  std::vector<std::byte> block;
  std::vector<const std::byte*> pointers;
  std::int64_t row_bytes;

  Rows(std::int64_t total_bytes, std::int64_t bytes_each, RowOrder sequence)
      : block(static_cast<std::size_t>(total_bytes)), row_bytes(bytes_each) {
    for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<std::byte>(i * 31 >> 3);
    for (std::int64_t at = 0; at < total_bytes; at += row_bytes)
      pointers.push_back(block.data() + at);
    if (sequence == RowOrder::shuffled)
      std::shuffle(pointers.begin(), pointers.end(), std::mt19937(7));
  }
  std::int64_t count() const { return static_cast<std::int64_t>(pointers.size()); }
  ArrayView view() const {
    return ArrayView(pointers.data(), Format(),
                     Layout({{count(), 8, 0}, {row_bytes, 1, 1}}, {0, 0}));
  }
  void copy_each(std::byte* out) const {
    for (const std::byte* row : pointers) {
      std::memcpy(out, row, static_cast<std::size_t>(row_bytes));
      out += row_bytes;
    }
  }
};

void rate(benchmark::State& state, std::int64_t bytes) {
  state.SetBytesProcessed(state.iterations() * bytes);
}

constexpr std::int64_t total = std::int64_t{256} << 20;

/// Checks that `gather` wrote the bytes that a memcpy per row writes.
bool check(benchmark::State& state, const Rows& rows, const std::vector<std::byte>& result) {
  std::vector<std::byte> expected(result.size());
  rows.copy_each(expected.data());
  if (result == expected) return true;
  state.SkipWithError("the result's bits are wrong");
  return false;
}

void memcpy_per_row(benchmark::State& state) {
  const Rows rows(total, state.range(0), RowOrder::shuffled);
  std::vector<std::byte> out(static_cast<std::size_t>(total));
  for (auto _ : state) {
    rows.copy_each(out.data());
    benchmark::ClobberMemory();
  }
  rate(state, total);
}

void memcpy_as_one(benchmark::State& state) {
  const Rows rows(total, 4096, RowOrder::in_order);
  std::vector<std::byte> out(static_cast<std::size_t>(total));
  for (auto _ : state) {
    std::memcpy(out.data(), rows.block.data(), out.size());
    benchmark::ClobberMemory();
  }
  rate(state, total);
}

void gather_rows_in_place(benchmark::State& state) {
  const Rows rows(total, state.range(0), RowOrder::shuffled);
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  const DeviceArray array = upload(rows.view(), Device::host(), options);
  std::vector<std::byte> out(static_cast<std::size_t>(total));
  GatherOptions into_out;
  into_out.out = Output{out.data(), total, MemorySpace::host, {}};
  copy(array, into_out);
  if (!check(state, rows, out)) return;
  for (auto _ : state) copy(array, into_out);
  rate(state, total);
}

void resolve_rows(benchmark::State& state) {
  const Rows rows(total, 64, static_cast<RowOrder>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(resolve(rows.view()));
  state.SetItemsProcessed(state.iterations() * rows.count());
}

void upload_rows(benchmark::State& state, const std::string& device_name) {
  const Device device = Device::open(device_name);
  const Rows rows(total, state.range(0), RowOrder::shuffled);
  if (!check(state, rows, copy(upload(rows.view(), device)).to_host())) return;
  for (auto _ : state) {
    const DeviceArray array = upload(rows.view(), device);
    device.synchronize();
  }
  rate(state, total);
}

/// On the device: aliased rows, so that a table stays, into memory that is reused.
void gather_rows_on(benchmark::State& state, const std::string& device_name) {
  const Device device = Device::open(device_name);
  Rows rows(total, state.range(0), RowOrder::shuffled);
  for (std::size_t i = 0; i < rows.pointers.size(); i += 3) rows.pointers[i] = rows.pointers[0];
  const DeviceArray array = upload(rows.view(), device);
  const DeviceBuffer out = copy(array);
  if (!check(state, rows, out.to_host())) return;
  GatherOptions options;
  options.out = Output{out.data(),
                       out.nbytes(),
                       device.kind() == DeviceKind::host ? MemorySpace::host : MemorySpace::device,
                       {}};
  for (auto _ : state) {
    copy(array, options);
    device.synchronize();
  }
  rate(state, total);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const std::vector<std::int64_t> row_sizes{64, 256, 1024, 4096, 65536, 1 << 20};
  const auto add = [](const std::string& name, auto&&... rest) {
    return benchmark::RegisterBenchmark(name.c_str(), rest...)
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
  };
  add("memcpy_as_one", memcpy_as_one);
  add("memcpy_per_row", memcpy_per_row)->ArgsProduct({row_sizes});
  add("host/gather_rows_in_place", gather_rows_in_place)->ArgsProduct({row_sizes});
  add("resolve/in_order", resolve_rows)->Arg(static_cast<int>(RowOrder::in_order));
  add("resolve/shuffled", resolve_rows)->Arg(static_cast<int>(RowOrder::shuffled));
  for (const DeviceInfo& info : list_devices().devices) {
    const std::string device = info.name;
    add(device + "/upload_rows", [device](benchmark::State& state) {
      upload_rows(state, device);
    })->ArgsProduct({row_sizes});
    add(device + "/gather_rows", [device](benchmark::State& state) {
      gather_rows_on(state, device);
    })->ArgsProduct({row_sizes});
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
