#include <multibuffer/multibuffer.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <vector>

// The resolver next to the least that could be done with a table: one pass over it, on one thread,
// that looks for NULL and for even spacing. The two take turns, so that a machine that changes its
// speed changes it for both; `of_a_pass` is the median of the ratios of neighbours. Pointers lead
// to rows of 64 bytes, none of which is read.

namespace {

using namespace multibuffer;
using Pointers = std::vector<const std::byte*>;

constexpr std::int64_t row_bytes = 64;

/// Addresses nobody dereferences.
Pointers in_order(std::int64_t count) {
  Pointers pointers;
  pointers.reserve(static_cast<std::size_t>(count));
  const auto first = std::uintptr_t{0x7f1234560000};
  for (std::int64_t i = 0; i < count; ++i)
    // NOLINTNEXTLINE(performance-no-int-to-ptr)
    pointers.push_back(reinterpret_cast<const std::byte*>(first + static_cast<std::uintptr_t>(i) *
                                                                      std::uintptr_t{row_bytes}));
  return pointers;
}
Pointers shuffled(std::int64_t count) {
  Pointers pointers = in_order(count);
  std::shuffle(pointers.begin(), pointers.end(), std::mt19937_64(7));
  return pointers;
}
/// Every third leads to one row.
Pointers one_often(std::int64_t count) {
  Pointers pointers = shuffled(count);
  for (std::size_t i = 0; i < pointers.size(); i += 3) pointers[i] = pointers[0];
  return pointers;
}
/// Each leads to one row or another, so that most rows that occur do so more than once.
Pointers drawn(std::int64_t count) {
  const Pointers rows = in_order(count / 2);
  Pointers pointers(static_cast<std::size_t>(count));
  std::mt19937_64 random(7);
  for (const std::byte*& pointer : pointers) pointer = rows[random() % rows.size()];
  return pointers;
}

/// Looks for NULL and for affine pointers, so that the work of neither check is left out.
bool pass(const Pointers& pointers) {
  const auto step =
      reinterpret_cast<std::uintptr_t>(pointers[1]) - reinterpret_cast<std::uintptr_t>(pointers[0]);
  std::uintptr_t previous = reinterpret_cast<std::uintptr_t>(pointers[0]) - step;
  std::uintptr_t deviation = 0;
  bool null = false;
  for (const std::byte* pointer : pointers) {
    const auto address = reinterpret_cast<std::uintptr_t>(pointer);
    null |= address == 0;
    deviation |= address - previous - step;
    previous = address;
  }
  return null || deviation != 0;
}

ArrayView view_of(const Pointers& pointers) {
  return ArrayView(pointers.data(), Format(),
                   Layout({{std::ssize(pointers), 8, 0}, {row_bytes, 1, 1}}, {0, 0}));
}

/// Checks that every entry leads to its pointer, and that no two leaves are one.
bool is_right(const Resolution& resolution, const Pointers& pointers) {
  for (std::size_t i = 0; i < pointers.size(); ++i)
    if (resolution.leaves[resolution.tables[0][static_cast<std::int64_t>(i)]] !=
        static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(pointers[i])))
      return false;
  Pointers sorted = pointers;
  std::ranges::sort(sorted);
  return resolution.leaves.size() == std::ranges::unique(sorted).begin() - sorted.begin();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

template <class Work>
double seconds(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  benchmark::DoNotOptimize(work());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

using Make = Pointers (*)(std::int64_t count);

template <class Work>
void beside_a_pass(benchmark::State& state, Make make, const Work& work) {
  const Pointers pointers = make(state.range(0));
  if (!is_right(resolve(view_of(pointers)), pointers))
    return state.SkipWithError("the resolution is wrong");
  std::vector<double> passes, works, ratios;
  for (auto _ : state) {
    passes.push_back(seconds([&] { return pass(pointers); }));
    works.push_back(seconds([&] { return work(pointers); }));
    ratios.push_back(passes.back() / works.back());
    state.SetIterationTime(works.back());
  }
  const auto count = static_cast<double>(pointers.size());
  state.counters["pass_G/s"] = count / median(passes) / 1e9;
  state.counters["G/s"] = count / median(works) / 1e9;
  state.counters["of_a_pass"] = median(ratios);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const auto add = [](const std::string& what, const std::string& table, Make make,
                      const auto& work) {
    benchmark::RegisterBenchmark(
        (what + '/' + table).c_str(),
        [make, work](benchmark::State& state) { beside_a_pass(state, make, work); })
        ->Arg(10'000'000)
        ->UseManualTime()
        ->MinTime(0.7)
        ->Unit(benchmark::kMillisecond);
  };
  const std::vector<std::pair<std::string, Make>> tables{
      {"in_order", in_order}, {"shuffled", shuffled}, {"one_often", one_often}, {"drawn", drawn}};
  for (const auto& [name, make] : tables) {
    add("resolve", name, make, [](const Pointers& pointers) { return resolve(view_of(pointers)); });
    add("resolve_in_place", name, make, [](const Pointers& pointers) {
      return resolve(view_of(pointers), {.aliases = Aliases::ignored});
    });
    add("resolve_and_place", name, make,
        [](const Pointers& pointers) { return place(resolve(view_of(pointers))); });
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
