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

/// A stage of a job, the time that it took, and the bytes that it moved.
struct Phase {
  std::string name;
  double seconds = 0;
  std::int64_t bytes = 0;  ///< 0 if nothing moves
};

/// Times the stages of a job. If standard error is a terminal, shows the progress of stages that
/// take longer than half a second.
class Progress {
 public:
  explicit Progress(std::stop_token stop);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Runs `work(watch)` as the stage `name`. Throws `cancelled` before or after it if a stop was
  /// requested.
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

  /// Sets the bytes that the last stage moved.
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

/// Formats phases as a table with seconds, bytes and GB/s, one line each.
std::string stats_table(const std::vector<Phase>& phases);

/// Formats a size: "1.2 GB", "17 bytes".
std::string bytes_text(std::int64_t bytes);

}  // namespace multibuffer::cli
