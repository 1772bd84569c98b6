#include <multibuffer/multibuffer.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

// Rows of unequal length, packed and padded, next to a memcpy (and a memset) for each row. Lengths
// are log-normal: most rows are short, and few long ones have most of the bytes. Rates are of the
// result, in bytes. Every result's bits are checked before it is timed.

namespace {

using namespace multibuffer;

constexpr std::int64_t total = std::int64_t{64} << 20;
constexpr std::int64_t item_bytes = sizeof(double);

/// Rows of `mean_bytes` on average, in one block and in shuffled order, as separate allocations
/// are after a while.
struct Rows {
  std::vector<double> block;
  std::vector<const double*> starts;
  std::vector<std::int64_t> lengths;
  std::int64_t longest = 0;

  explicit Rows(std::int64_t mean_bytes) {
    std::mt19937_64 engine(7);
    const double mean = static_cast<double>(mean_bytes) / item_bytes;
    std::lognormal_distribution<double> length(std::log(mean) - 0.5, 1);
    std::int64_t items = 0;
    while (items * item_bytes < total) {
      lengths.push_back(static_cast<std::int64_t>(length(engine)));
      longest = std::max(longest, lengths.back());
      items += lengths.back();
    }
    block.resize(static_cast<std::size_t>(items));
    for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<double>(i);
    std::vector<std::int64_t> places{0};
    for (const std::int64_t each : lengths) places.push_back(places.back() + each);
    std::vector<std::size_t> order(lengths.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), engine);
    const std::vector<std::int64_t> in_order = lengths;
    for (std::size_t i = 0; i < order.size(); ++i) {
      lengths[i] = in_order[order[i]];
      starts.push_back(block.data() + places[order[i]]);
    }
  }

  std::int64_t bytes() const { return static_cast<std::int64_t>(block.size()) * item_bytes; }
  RaggedView view() const { return RaggedView::from_rows(starts.data(), lengths); }
  /// Rows that are no longer than four times the mean, for a pad that is not mostly padding.
  std::int64_t padded_length() const {
    return 4 * static_cast<std::int64_t>(block.size() / lengths.size());
  }
  std::int64_t padded_bytes() const {
    return static_cast<std::int64_t>(lengths.size()) * padded_length() * item_bytes;
  }

  void pack_each(std::byte* out) const {
    for (std::size_t i = 0; i < starts.size(); ++i) {
      const std::size_t bytes = static_cast<std::size_t>(lengths[i] * item_bytes);
      std::memcpy(out, starts[i], bytes);
      out += bytes;
    }
  }
  void pad_each(std::byte* out) const {
    const auto row = static_cast<std::size_t>(padded_length() * item_bytes);
    for (std::size_t i = 0; i < starts.size(); ++i, out += row) {
      const std::size_t bytes = std::min(row, static_cast<std::size_t>(lengths[i] * item_bytes));
      std::memcpy(out, starts[i], bytes);
      std::memset(out + bytes, 0, row - bytes);
    }
  }
};

Output output(std::vector<std::byte>& memory) {
  return {.data = memory.data(), .bytes = static_cast<std::int64_t>(memory.size())};
}

PadOptions pad_options(const Rows& rows) {
  PadOptions options;
  options.length = rows.padded_length();
  options.truncation = Truncation::drop_end;
  return options;
}

RaggedArray in_place(const Rows& rows) {
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  return upload(rows.view(), Device::host(), options);
}

void rate(benchmark::State& state, std::int64_t bytes) {
  state.SetBytesProcessed(state.iterations() * bytes);
}

bool check(benchmark::State& state, const std::vector<std::byte>& result,
           const std::vector<std::byte>& expected) {
  if (result == expected) return true;
  state.SkipWithError("the result's bits are wrong");
  return false;
}

std::vector<std::byte> packed(const Rows& rows) {
  std::vector<std::byte> out(static_cast<std::size_t>(rows.bytes()));
  rows.pack_each(out.data());
  return out;
}
std::vector<std::byte> padded(const Rows& rows) {
  std::vector<std::byte> out(static_cast<std::size_t>(rows.padded_bytes()));
  rows.pad_each(out.data());
  return out;
}

void memcpy_per_row(benchmark::State& state) {
  const Rows rows(state.range(0));
  std::vector<std::byte> out = packed(rows);
  for (auto _ : state) {
    rows.pack_each(out.data());
    benchmark::ClobberMemory();
  }
  rate(state, rows.bytes());
}

void pack_rows(benchmark::State& state) {
  const Rows rows(state.range(0));
  const RaggedArray array = in_place(rows);
  std::vector<std::byte> out(static_cast<std::size_t>(rows.bytes()));
  PackOptions options;
  options.out = output(out);
  pack(array, {}, options);
  if (!check(state, out, packed(rows))) return;
  for (auto _ : state) pack(array, {}, options);
  rate(state, rows.bytes());
}

/// As a list that comes in and one array that goes out: nothing is there beforehand.
void place_and_pack_rows(benchmark::State& state) {
  const Rows rows(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(pack(in_place(rows)));
  rate(state, rows.bytes());
}

void pack_as_float32(benchmark::State& state) {
  const Rows rows(state.range(0));
  const RaggedArray array = in_place(rows);
  PackOptions options;
  options.format = native_format<float>();
  std::vector<std::byte> out(static_cast<std::size_t>(rows.bytes() / 2));
  options.out = output(out);
  for (auto _ : state) pack(array, {}, options);
  rate(state, rows.bytes() / 2);
}

void upload_rows(benchmark::State& state, const std::string& device_name) {
  const Device device = Device::open(device_name);
  const Rows rows(state.range(0));
  if (!check(state, pack(upload(rows.view(), device)).values.to_host(), packed(rows))) return;
  for (auto _ : state) {
    benchmark::DoNotOptimize(upload(rows.view(), device));
    device.synchronize();
  }
  rate(state, rows.bytes());
}

void memcpy_and_memset_per_row(benchmark::State& state) {
  const Rows rows(state.range(0));
  std::vector<std::byte> out = padded(rows);
  for (auto _ : state) {
    rows.pad_each(out.data());
    benchmark::ClobberMemory();
  }
  rate(state, rows.padded_bytes());
}

void pad_rows(benchmark::State& state) {
  const Rows rows(state.range(0));
  const RaggedArray array = in_place(rows);
  std::vector<std::byte> out(static_cast<std::size_t>(rows.padded_bytes()));
  PadOptions options = pad_options(rows);
  options.out = output(out);
  pad(array, {}, options);
  if (!check(state, out, padded(rows))) return;
  for (auto _ : state) pad(array, {}, options);
  rate(state, rows.padded_bytes());
}

/// Plans on a device, into memory that is reused.
void pack_rows_on(benchmark::State& state, const std::string& device_name) {
  const Device device = Device::open(device_name);
  const Rows rows(state.range(0));
  const PackPlan plan(upload(rows.view(), device));
  if (!check(state, plan.run().values.to_host(), packed(rows))) return;
  for (auto _ : state) {
    plan.run();
    device.synchronize();
  }
  rate(state, rows.bytes());
}

void pad_rows_on(benchmark::State& state, const std::string& device_name) {
  const Device device = Device::open(device_name);
  const Rows rows(state.range(0));
  const PadPlan plan(upload(rows.view(), device), {}, pad_options(rows));
  if (!check(state, plan.run().to_host(), padded(rows))) return;
  for (auto _ : state) {
    plan.run();
    device.synchronize();
  }
  rate(state, rows.padded_bytes());
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const auto add = [](const std::string& name, auto&&... rest) {
    return benchmark::RegisterBenchmark(name.c_str(), rest...)
        ->ArgsProduct({{64, 256, 1024, 4096}})  // mean bytes of a row
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
  };
  add("memcpy_per_row", memcpy_per_row);
  add("host/pack_rows", pack_rows);
  add("host/place_and_pack_rows", place_and_pack_rows);
  add("host/pack_as_float32", pack_as_float32);
  add("memcpy_and_memset_per_row", memcpy_and_memset_per_row);
  add("host/pad_rows", pad_rows);
  for (const DeviceInfo& info : list_devices().devices) {
    const std::string device = info.name;
    add(device + "/upload_rows", [device](benchmark::State& state) { upload_rows(state, device); });
    if (info.kind == DeviceKind::host) continue;
    add(device + "/pack_rows", [device](benchmark::State& state) { pack_rows_on(state, device); });
    add(device + "/pad_rows", [device](benchmark::State& state) { pad_rows_on(state, device); });
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
