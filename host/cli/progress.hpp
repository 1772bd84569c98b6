#pragma once

#include <multibuffer/watch.hpp>

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace multibuffer::cli {

/// One stage of a job: how long it took and how many bytes it moved.
struct Phase {
  std::string name;
  double seconds = 0;
  std::int64_t bytes = 0;  ///< 0 where nothing moves
};

/// Times the stages of a job and, where standard error is a terminal, shows those that take longer
/// than half a second as they go.
class Progress {
 public:
  explicit Progress(std::stop_token stop);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Runs `work(watch)` as the stage `name`. Throws `cancelled` before or after it, if asked to
  /// stop.
  template <class Work>
  auto run(const char* name, Work&& work) {
    begin(name);
    if constexpr (std::is_void_v<decltype(work(watch_))>) {
      work(watch_);
      end();
    } else {
      auto result = work(watch_);
      end();
      return result;
    }
  }

  /// The stage that has just run moved this much.
  void moved(std::int64_t bytes) { phases_.back().bytes = bytes; }

  const std::vector<Phase>& phases() const noexcept { return phases_; }

 private:
  using Clock = std::chrono::steady_clock;
  void begin(const char* name);
  void end();
  void show(std::int64_t done, std::int64_t total);
  void clear();
  void check_stop() const;

  bool terminal_;
  bool shown_ = false;
  Clock::time_point started_;
  Clock::time_point next_;
  Watch watch_;
  std::vector<Phase> phases_;
};

/// The phases as a table with seconds, bytes and GB/s, a line each.
std::string stats_table(const std::vector<Phase>& phases);

/// "1.2 GB", "17 bytes".
std::string bytes_text(std::int64_t bytes);

}  // namespace multibuffer::cli
