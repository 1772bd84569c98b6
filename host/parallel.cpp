#include "parallel.hpp"

#include <multibuffer/error.hpp>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace multibuffer {
namespace {

/// Below this a second thread costs more than it brings.
constexpr std::int64_t bytes_worth_a_thread = std::int64_t{1} << 20;
/// Small enough to share evenly and to stop soon, large enough to cost nothing.
constexpr std::int64_t bytes_a_piece = std::int64_t{1} << 20;

int asked_for() {
  const char* text = std::getenv("MULTIBUFFER_NUM_THREADS");
  if (!text) return 0;
  int count = 0;
  const auto [end, error] = std::from_chars(text, text + std::strlen(text), count);
  return error == std::errc() && *end == '\0' ? count : 0;
}

}  // namespace

int thread_count() {
  static const int count = [] {
    const int asked = asked_for();
    return asked > 0 ? asked : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }();
  return count;
}

void parallel_for(std::int64_t count, std::int64_t bytes_each, const Watch& watch,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& work) {
  const std::int64_t piece =
      std::max<std::int64_t>(1, bytes_a_piece / std::max<std::int64_t>(1, bytes_each));
  std::atomic<std::int64_t> next = 0;
  std::atomic<std::int64_t> done = 0;
  const auto take_pieces = [&](const auto& after_each) {
    while (!watch.stop.stop_requested()) {
      const std::int64_t begin = next.fetch_add(piece);
      if (begin >= count) return;
      const std::int64_t end = std::min(count, begin + piece);
      work(begin, end);
      done += end - begin;
      after_each();
    }
  };

  const std::int64_t worth =
      count /
      std::max<std::int64_t>(1, bytes_worth_a_thread / std::max<std::int64_t>(1, bytes_each));
  const std::int64_t helpers = std::clamp<std::int64_t>(worth, 1, thread_count()) - 1;
  {
    std::vector<std::jthread> threads;
    for (std::int64_t i = 0; i < helpers; ++i) threads.emplace_back([&] { take_pieces([] {}); });
    take_pieces([&] {
      if (watch.progress) watch.progress(done * bytes_each, count * bytes_each);
    });
  }
  if (done < count) throw Error(Errc::cancelled, "while moving bytes on the host");
}

}  // namespace multibuffer
