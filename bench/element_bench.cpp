#include <multibuffer/elements.hpp>
#include <multibuffer/multibuffer.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <vector>

// Sums over rows behind shuffled pointers, through views, beside the same loop over the T** itself.
// The two take turns, so that a machine that changes its speed changes it for both; `of_pointers`
// is the median of the ratios of neighbours: above 1 is faster than the T**.

namespace {

using namespace multibuffer;

constexpr std::int64_t elements_in_all = std::int64_t{1} << 18;  // of 1 MiB, in the cache

template <class T>
struct Rows {
  std::int64_t length;
  std::vector<T> memory;
  std::vector<const T*> pointers;
  DeviceArray array;

  explicit Rows(std::int64_t row_length)
      : length(row_length),
        memory(static_cast<std::size_t>(elements_in_all + elements_in_all / row_length * 8)),
        pointers(shuffled()),
        array(uploaded()) {}

 private:
  std::vector<const T*> shuffled() {
    std::iota(memory.begin(), memory.end(), T{1});
    std::vector<const T*> rows;
    for (std::int64_t i = 0; i < elements_in_all / length; ++i)
      rows.push_back(memory.data() + i * (length + 8));
    std::shuffle(rows.begin(), rows.end(), std::mt19937_64(7));
    return rows;
  }
  DeviceArray uploaded() {
    UploadOptions options;
    options.placement = PlacementKind::in_place;
    return upload(ArrayView::from_rows(pointers, length), Device::host(), options);
  }
};

template <class T>
[[gnu::noinline]] T by_pointers(const T* const* rows, std::int64_t count, std::int64_t length) {
  T sum = 0;
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t j = 0; j < length; ++j) sum += rows[i][j];
  return sum;
}

template <class T>
[[gnu::noinline]] T by_rows(const ElementView<const T, 2>& view) {
  T sum = 0;
  for (std::int64_t i = 0; i < view.extent(0); ++i)
    for (const T element : view.row(i)) sum += element;
  return sum;
}

/// For those whose rows lie densely: what compilers make vectors of.
template <class T>
[[gnu::noinline]] T by_contiguous_rows(const RowsView<const T>& rows) {
  T sum = 0;
  for (const RowView<const T> row : rows) {
    const T* const elements = row.contiguous();
    for (std::int64_t j = 0; j < row.size(); ++j) sum += elements[j];
  }
  return sum;
}

template <class T>
[[gnu::noinline]] T by_iterator(const ElementView<const T, 2>& view) {
  T sum = 0;
  const auto last = end(view);
  for (auto it = begin(view); it != last; ++it) sum += *it;
  return sum;
}

template <class T>
[[gnu::noinline]] T by_algorithm(const ElementView<const T, 2>& view) {
  return std::accumulate(begin(view), end(view), T{0});
}

template <class T>
[[gnu::noinline]] T by_indices(const ElementView<const T, 2>& view) {
  T sum = 0;
  for (std::int64_t i = 0; i < view.extent(0); ++i)
    for (std::int64_t j = 0; j < view.extent(1); ++j) sum += view(i, j);
  return sum;
}

template <class T>
[[gnu::noinline]] T by_device_iterator(const ElementView<const T, 2>& view) {
  T sum = 0;
  const auto last = device_end(view);
  for (auto it = device_begin(view); it != last; ++it) sum += *it;
  return sum;
}

double seconds_of(const auto& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

template <class T, class Sum>
void compare(benchmark::State& state, const Sum& sum) {
  const Rows<T> rows(state.range(0));
  const auto count = static_cast<std::int64_t>(rows.pointers.size());
  T here = 0, there = 0;
  std::vector<double> ratios;
  double fastest = 1;
  for (auto _ : state) {
    const double pointers =
        seconds_of([&] { there = by_pointers(rows.pointers.data(), count, rows.length); });
    const double views = seconds_of([&] { here = sum(rows.array); });
    benchmark::DoNotOptimize(here);
    benchmark::DoNotOptimize(there);
    ratios.push_back(pointers / views);
    fastest = std::min(fastest, views);
  }
  if (here != there) state.SkipWithError("another sum");
  std::ranges::sort(ratios);
  state.counters["of_pointers"] = ratios[ratios.size() / 2];
  state.counters["ns_each"] = fastest * 1e9 / static_cast<double>(elements_in_all);
}

template <class T>
void add(const std::string& type) {
  const auto view = [](const DeviceArray& array) { return elements<T, 2>(array); };
  const auto with = [&](const std::string& name, auto sum) {
    benchmark::RegisterBenchmark((name + "/" + type).c_str(),
                                 [sum](benchmark::State& state) { compare<T>(state, sum); })
        ->Arg(16)
        ->Arg(64)
        ->Arg(256)
        ->Arg(1024)
        ->Iterations(401);
  };
  with("rows", [=](const DeviceArray& array) { return by_rows(view(array)); });
  with("contiguous_rows",
       [](const DeviceArray& array) { return by_contiguous_rows(rows<T>(array)); });
  with("iterator", [=](const DeviceArray& array) { return by_iterator(view(array)); });
  with("accumulate", [=](const DeviceArray& array) { return by_algorithm(view(array)); });
  with("indices", [=](const DeviceArray& array) { return by_indices(view(array)); });
  with("device_iterator",
       [=](const DeviceArray& array) { return by_device_iterator(view(array)); });
}

const bool added = [] {
  add<float>("float");
  add<std::int32_t>("int32");
  return true;
}();

}  // namespace
