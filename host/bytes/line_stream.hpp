#pragma once

#include "host/bytes/simd.hpp"
#include "host/bytes/wide_copy.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace multibuffer {

/// Writes bytes past the caches, to any place. Only whole cache lines can go there, so what follows
/// in memory is put together in a buffer until a line of it is complete: rows of any size, from
/// anywhere, leave as if they had been one. After a thread's last comes `finish_streaming`.
template <class Moves>
class LineStream {
 public:
  explicit LineStream(std::byte* to) { begin_at(to); }

  /// Goes on at `to`; if that is not the end, what is there is written first.
  void go_to(std::byte* to) {
    if (to == line_ + filled_) return;
    finish();
    begin_at(to);
  }

  /// At least a vector's size.
  void append(const std::byte* from, std::int64_t bytes) {
    if (bytes < least_direct_bytes) {
      make_room(bytes);
      Moves::copy(buffer_ + filled_, from, bytes);
      filled_ += bytes;
      return stream_up_to(filled_ - lag);
    }
    const std::int64_t head = (line_bytes - filled_ % line_bytes) % line_bytes;
    put(from, head);
    stream_up_to(filled_);
    restart();
    std::int64_t at = head;
    for (; at + line_bytes <= bytes; at += line_bytes, line_ += line_bytes)
      Moves::stream(line_, from + at);
    put(from + at, bytes - at);
  }

  /// Writes all that there is; what is no whole line, by way of the caches.
  void finish() {
    stream_up_to(filled_);
    const std::int64_t begin = std::max(first_, streamed_);
    if (begin < filled_)
      std::memcpy(line_ + begin, buffer_ + begin, static_cast<std::size_t>(filled_ - begin));
    begin_at(line_ + filled_);
  }

 private:
  /// Longer rows go by themselves, but for their ends.
  static constexpr std::int64_t least_direct_bytes = 1024;
  /// A line that is read back from the buffer before what was stored there has arrived in the first
  /// cache has to wait for that.
  static constexpr std::int64_t lag = 1024;
  static constexpr std::int64_t room = 4 * lag;

  void begin_at(std::byte* to) {
    first_ = filled_ = place_in_line(to);
    line_ = to - first_;
    streamed_ = 0;
  }

  void put(const std::byte* from, std::int64_t bytes) {
    make_room(bytes);
    std::memcpy(buffer_ + filled_, from, static_cast<std::size_t>(bytes));
    filled_ += bytes;
  }

  void make_room(std::int64_t bytes) {
    if (filled_ + bytes > room) restart();
  }

  /// Moves what has not been streamed to the buffer's begin.
  void restart() {
    if (streamed_ == 0) return;
    std::memmove(buffer_, buffer_ + streamed_, static_cast<std::size_t>(filled_ - streamed_));
    line_ += streamed_;
    filled_ -= streamed_;
    streamed_ = 0;
  }

  void stream_up_to(std::int64_t end) {
    for (; streamed_ + line_bytes <= end; streamed_ += line_bytes) {
      if (first_ > 0) {  // what lies before in the first line is not ours
        std::memcpy(line_ + first_, buffer_ + first_,
                    static_cast<std::size_t>(line_bytes - first_));
        first_ = 0;
      } else {
        Moves::stream(line_ + streamed_, buffer_ + streamed_);
      }
    }
  }

  std::byte* line_ = nullptr;  ///< where the buffer's begin goes
  std::int64_t first_ = 0;     ///< the first byte of the first line that is ours to write, or 0
  std::int64_t streamed_ = 0;  ///< up to where the buffer has been written
  std::int64_t filled_ = 0;
  alignas(line_bytes) std::byte buffer_[static_cast<std::size_t>(room)];
};

/// The same by a register instead of a buffer, for rows of some lines: nothing waits for a store.
/// The lines before and after a row are fetched with it, which short rows cannot afford. For
/// functions with MULTIBUFFER_WIDE.
class WideLineStream {
 public:
  static constexpr std::int64_t least_worth_bytes = 2 * line_bytes;

  explicit WideLineStream(std::byte* to) { begin_at(to); }

  void go_to(std::byte* to) {
    if (to == line_ + filled_) return;
    finish();
    begin_at(to);
  }

  /// At least a line.
  void append(const std::byte* from, std::int64_t bytes) {
    std::int64_t at = 0;
    if (filled_ > 0) {
      at = line_bytes - filled_;
      put_bytes(part_, filled_, line_bytes, from);
      if (first_ > 0)
        store_bytes(line_, first_, line_bytes, part_);
      else
        stream_wide_line(line_, part_);
      first_ = 0;
      line_ += line_bytes;
    }
    for (; at + line_bytes <= bytes; at += line_bytes, line_ += line_bytes)
      stream_wide_line(line_, from + at);
    filled_ = bytes - at;
    if (filled_ > 0) put_bytes(part_, 0, filled_, from + at);
  }

  void finish() {
    if (filled_ > first_) store_bytes(line_, first_, filled_, part_);
    begin_at(line_ + filled_);
  }

 private:
  void begin_at(std::byte* to) {
    first_ = filled_ = place_in_line(to);
    line_ = to - first_;
  }

  std::byte* line_ = nullptr;
  std::int64_t first_ = 0;   ///< the first byte of the line that is ours to write
  std::int64_t filled_ = 0;  ///< up to where there are bytes in `part_`
  WideLine part_{};
};

}  // namespace multibuffer
