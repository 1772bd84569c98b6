#include "host/cli/progress.hpp"

#include <multibuffer/error.hpp>

#include "host/support/text.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <iostream>
#include <string_view>

namespace multibuffer::cli {
namespace {

constexpr std::chrono::milliseconds quiet_time(500);
constexpr std::chrono::milliseconds redraw_time(100);
constexpr const char* start_of_line = "\r\x1b[K";  // and erases the line

std::string fixed(double value, int digits) {
  std::array<char, 400> buffer;  // the largest double has 309 digits before its point
  char* const end = buffer.data() + buffer.size();
  return {buffer.data(),
          std::to_chars(buffer.data(), end, value, std::chars_format::fixed, digits).ptr};
}

std::string padding(std::string_view cell, std::size_t width) {
  return std::string(width - std::min(width, cell.size()), ' ');
}

std::string left(std::string_view cell, std::size_t width) {
  return text(cell, padding(cell, width));
}

std::string right(std::string_view cell, std::size_t width) {
  return text(padding(cell, width), cell);
}

}  // namespace

std::string bytes_text(std::int64_t bytes) {
  constexpr std::array units = {"kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) return text(bytes, bytes == 1 ? " byte" : " bytes");
  double amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (amount /= 1000; amount >= 999.95 && unit + 1 < units.size(); amount /= 1000) ++unit;
  return text(fixed(amount, 1), " ", units[unit]);
}

Progress::Progress(std::stop_token stop) : terminal_(isatty(STDERR_FILENO) == 1) {
  watch_.stop = std::move(stop);
  if (terminal_) {
    watch_.progress = [this](std::int64_t done, std::int64_t total) { show(done, total); };
  }
}

void Progress::check_stop() const {
  if (watch_.stop.stop_requested()) throw Failure(Errc::cancelled, phases_.back().name);
}

void Progress::begin(const char* name) {
  phases_.push_back({name});
  check_stop();
  started_ = Clock::now();
  next_ = started_ + quiet_time;
}

void Progress::end() {
  phases_.back().seconds = std::chrono::duration<double>(Clock::now() - started_).count();
  clear();
  check_stop();
}

void Progress::show(std::int64_t done, std::int64_t total) {
  const Clock::time_point now = Clock::now();
  if (now < next_) return;
  next_ = now + redraw_time;
  shown_ = true;
  const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 0;
  std::cerr << start_of_line << phases_.back().name << "  " << fixed(100 * share, 0) << "%  ("
            << bytes_text(done) << " of " << bytes_text(total) << ")" << std::flush;
}

void Progress::clear() {
  if (shown_) std::cerr << start_of_line << std::flush;
  shown_ = false;
}

std::string stats_table(const std::vector<Phase>& phases) {
  std::string out =
      text(left("phase", 10), right("seconds", 10), right("moved", 14), right("GB/s", 10), '\n');
  Phase total{"total"};
  const auto line = [&](const Phase& phase, bool rate) {
    out += left(phase.name, 10) + right(fixed(phase.seconds, 6), 10);
    if (rate && phase.bytes > 0 && phase.seconds > 0) {
      const double gigabytes = static_cast<double>(phase.bytes) / 1e9;
      out += right(bytes_text(phase.bytes), 14) + right(fixed(gigabytes / phase.seconds, 2), 10);
    }
    out += '\n';
  };
  for (const Phase& phase : phases) {
    line(phase, true);
    total.seconds += phase.seconds;
  }
  line(total, false);
  return out;
}

}  // namespace multibuffer::cli
