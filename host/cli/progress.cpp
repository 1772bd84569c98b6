#include "host/cli/progress.hpp"

#include <multibuffer/error.hpp>

#include "host/text.hpp"

#include <unistd.h>

#include <array>
#include <cstddef>
#include <iomanip>
#include <iostream>
#include <sstream>

namespace multibuffer::cli {
namespace {

constexpr std::chrono::milliseconds quiet_time(500);
constexpr std::chrono::milliseconds redraw_time(100);
constexpr const char* start_of_line = "\r\x1b[K";  // and the rest of the line erased

std::string fixed(double value, int digits) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(digits) << value;
  return out.str();
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
  if (watch_.stop.stop_requested()) throw Error(Errc::cancelled, phases_.back().name);
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
  std::ostringstream out;
  out << std::left << std::setw(10) << "phase" << std::right << std::setw(10) << "seconds"
      << std::setw(14) << "moved" << std::setw(10) << "GB/s" << '\n';
  Phase total{"total"};
  const auto line = [&](const Phase& phase, bool rate) {
    out << std::left << std::setw(10) << phase.name << std::right << std::setw(10)
        << fixed(phase.seconds, 6);
    if (rate && phase.bytes > 0 && phase.seconds > 0) {
      out << std::setw(14) << bytes_text(phase.bytes) << std::setw(10)
          << fixed(static_cast<double>(phase.bytes) / phase.seconds / 1e9, 2);
    }
    out << '\n';
  };
  for (const Phase& phase : phases) {
    line(phase, true);
    total.seconds += phase.seconds;
  }
  line(total, false);
  return out.str();
}

}  // namespace multibuffer::cli
