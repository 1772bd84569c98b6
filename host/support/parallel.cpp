#include "host/support/parallel.hpp"

#include <multibuffer/error.hpp>

#include "host/support/text.hpp"
#include "host/support/thread_pool.hpp"
#include "host/support/threshold.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace multibuffer {
namespace {

/// Below this many bytes each, waking a thread costs as much as it saves, or more: on a virtual
/// machine it comes 50 us later, in which the caches copy 1.5 MiB and memory 500 KiB. One that is
/// at hand saves time from less on: 1 MiB in the caches takes two threads 21 us, and one 32.
constexpr Threshold bytes_worth_waking{std::int64_t{1} << 21, 1};
constexpr Threshold bytes_worth_sharing{std::int64_t{1} << 18, 1};

/// Returns true if such work may be shared with threads that are at hand.
bool is_worth_sharing(double bytes) {
  return bytes >= 2 * static_cast<double>(bytes_worth_sharing);
}

/// Pieces are small enough to be shared evenly and to stop soon, and large enough that handing them
/// out costs nothing.
constexpr Threshold least_bytes_a_piece{std::int64_t{1} << 17, 1};
constexpr std::int64_t most_bytes_a_piece = std::int64_t{4} << 20;
constexpr std::int64_t pieces_a_thread = 8;

/// No system gives more threads, and small multiples of it fit every integer type used here.
constexpr int most_threads = 1 << 16;

int asked_for() {
  const char* text = std::getenv("MULTIBUFFER_NUM_THREADS");
  if (!text) return 0;
  int count = 0;
  const auto [end, error] = std::from_chars(text, text + std::strlen(text), count);
  return error == std::errc() && *end == '\0' ? count : 0;
}

/// Returns the number of threads that so much work is worth.
std::int64_t threads_for(double bytes) {
  const auto worth = [&](std::int64_t bytes_each, int most) {
    return std::clamp<std::int64_t>(
        static_cast<std::int64_t>(bytes / static_cast<double>(bytes_each)), 1, most);
  };
  const std::int64_t woken = worth(bytes_worth_waking, thread_count());
  if (woken == thread_count() || !is_worth_sharing(bytes)) return woken;
  return std::max(woken,
                  worth(bytes_worth_sharing, std::min(1 + threads_at_hand(), thread_count())));
}

}  // namespace

int thread_count() {
  static const int count = [] {
    const int asked = asked_for();
    const int processors = static_cast<int>(std::thread::hardware_concurrency());
    return std::clamp(asked > 0 ? asked : processors, 1, most_threads);
  }();
  return count;
}

void parallel_for(std::int64_t count, std::int64_t bytes_each, const Watch& watch,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& work,
                  const char* doing) {
  // A double is exact enough: sizes beyond its precision would not fit into memory.
  const double all_bytes = static_cast<double>(count) * static_cast<double>(bytes_each);
  const std::int64_t threads = threads_for(all_bytes);
  const std::int64_t piece_bytes = std::clamp<std::int64_t>(
      static_cast<std::int64_t>(all_bytes / static_cast<double>(threads * pieces_a_thread)),
      least_bytes_a_piece, most_bytes_a_piece);
  const std::int64_t piece =
      std::max<std::int64_t>(1, piece_bytes / std::max<std::int64_t>(1, bytes_each));
  if (count <= piece) {  // small work is done before another thread could start
    if (watch.stop.stop_requested() && count > 0)
      throw Failure(Errc::cancelled, text("while ", doing));
    if (count > 0) work(0, count);
    if (is_worth_sharing(all_bytes)) note_end_of_work();
    if (count > 0 && watch.progress) watch.progress(count * bytes_each, count * bytes_each);
    return;
  }
  std::atomic<std::int64_t> next = 0;
  std::atomic<std::int64_t> done = 0;
  std::int64_t reported = 0;
  const std::thread::id caller = std::this_thread::get_id();
  const auto take_pieces = [&] {
    const bool reports = watch.progress && std::this_thread::get_id() == caller;
    while (!watch.stop.stop_requested()) {
      const std::int64_t begin = next.fetch_add(piece);
      if (begin >= count) return;
      const std::int64_t end = std::min(count, begin + piece);
      work(begin, end);
      done += end - begin;
      if (reports) watch.progress((reported = done) * bytes_each, count * bytes_each);
    }
  };
  const std::int64_t pieces = count / piece + (count % piece != 0);
  run_on_threads(static_cast<int>(std::min(threads, pieces)) - 1, take_pieces);
  if (is_worth_sharing(all_bytes)) note_end_of_work();
  if (done < count) throw Failure(Errc::cancelled, text("while ", doing));
  // Another thread may have done the last piece.
  if (watch.progress && reported < count) watch.progress(count * bytes_each, count * bytes_each);
}

}  // namespace multibuffer
