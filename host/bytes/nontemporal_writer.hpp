#pragma once

#include "host/bytes/short_copy.hpp"
#include "host/bytes/simd.hpp"
#include "host/bytes/wide_copy.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace multibuffer {

/// Writes rows of any size to any addresses by non-temporal stores. These write whole cache lines,
/// so contiguous rows are collected in a buffer until a line is complete. A thread must call
/// `nontemporal_fence` after its last write.
template <class Moves>
class NontemporalWriter {
 public:
  explicit NontemporalWriter(std::byte* to) { begin_at(to); }

  /// Continues at `to`. If that is not the current end, the buffer is written first.
  void go_to(std::byte* to) {
    if (to == line_ + filled_) return;
    finish();
    begin_at(to);
  }

  /// Appends `bytes` bytes, at least the size of a vector.
  void append(const std::byte* from, std::int64_t bytes) {
    if (bytes < least_direct_bytes) {
      make_room(bytes);
      Moves::copy(buffer_ + filled_, from, bytes);
      filled_ += bytes;
      return write_up_to(filled_ - lag);
    }
    const std::int64_t head = (cache_line_bytes - filled_ % cache_line_bytes) % cache_line_bytes;
    put(from, head);
    write_up_to(filled_);
    restart();
    std::int64_t at = head;
    for (; at + cache_line_bytes <= bytes; at += cache_line_bytes, line_ += cache_line_bytes)
      Moves::nontemporal_store_line(line_, from + at);
    put(from + at, bytes - at);
  }

  /// Appends fewer bytes than a vector has.
  void append_short(const std::byte* from, std::int64_t bytes) {
    make_room(bytes);
    copy_short(buffer_ + filled_, from, bytes);
    filled_ += bytes;
    write_up_to(filled_ - lag);
  }

  /// Writes the buffer, partial cache lines by ordinary stores.
  void finish() {
    write_up_to(filled_);
    const std::int64_t begin = std::max(first_, written_);
    if (begin < filled_)
      std::memcpy(line_ + begin, buffer_ + begin, static_cast<std::size_t>(filled_ - begin));
    begin_at(line_ + filled_);
  }

 private:
  /// Longer rows are written without the buffer, except for their ends.
  static constexpr std::int64_t least_direct_bytes = 1024;
  /// The bytes by which writing lags behind filling: a line that is read back from the buffer waits
  /// until the stores to it have reached the L1 cache.
  static constexpr std::int64_t lag = 1024;
  static constexpr std::int64_t room = 4 * lag;

  void begin_at(std::byte* to) {
    first_ = filled_ = offset_in_cache_line(to);
    line_ = to - first_;
    written_ = 0;
  }

  void put(const std::byte* from, std::int64_t bytes) {
    make_room(bytes);
    std::memcpy(buffer_ + filled_, from, static_cast<std::size_t>(bytes));
    filled_ += bytes;
  }

  void make_room(std::int64_t bytes) {
    if (filled_ + bytes > room) restart();
  }

  /// Moves the bytes that have not been written to the buffer's begin.
  void restart() {
    if (written_ == 0) return;
    std::memmove(buffer_, buffer_ + written_, static_cast<std::size_t>(filled_ - written_));
    line_ += written_;
    filled_ -= written_;
    written_ = 0;
  }

  void write_up_to(std::int64_t end) {
    for (; written_ + cache_line_bytes <= end; written_ += cache_line_bytes) {
      if (first_ > 0) {  // the bytes before it in the first line are not ours
        std::memcpy(line_ + first_, buffer_ + first_,
                    static_cast<std::size_t>(cache_line_bytes - first_));
        first_ = 0;
      } else {
        Moves::nontemporal_store_line(line_ + written_, buffer_ + written_);
      }
    }
  }

  std::byte* line_ = nullptr;  ///< where the buffer's begin goes
  std::int64_t first_ = 0;     ///< the first byte of the first line that is ours to write, or 0
  std::int64_t written_ = 0;   ///< up to where the buffer has been written
  std::int64_t filled_ = 0;
  alignas(cache_line_bytes) std::byte buffer_[static_cast<std::size_t>(room)];
};

/// A `NontemporalWriter` whose buffer is a register, for rows of some cache lines: no load waits
/// for a store. A load that would also fetch the line before a row, or the one after it, is made
/// within the row instead, and its bytes are moved: nobody has prefetched those lines (rows of 256
/// bytes, 16 bytes into a line in the output alone: 70 ns each by loads across, 15 so). For
/// functions with MULTIBUFFER_WIDE.
class WideNontemporalWriter {
 public:
  static constexpr std::int64_t least_worth_bytes = 2 * cache_line_bytes;

  explicit WideNontemporalWriter(std::byte* to) { begin_at(to); }

  void go_to(std::byte* to) {
    if (to == line_ + filled_) return;
    finish();
    begin_at(to);
  }

  /// Appends `bytes` bytes, at least a cache line.
  void append(const std::byte* from, std::int64_t bytes) {
    std::int64_t at = 0;
    if (filled_ > 0) {
      at = cache_line_bytes - filled_;
      if (offset_in_cache_line(from) >= filled_)
        put_bytes(part_, filled_, cache_line_bytes, from);
      else
        put_first_bytes(part_, filled_, from);
      if (first_ > 0)
        store_bytes(line_, first_, cache_line_bytes, part_);
      else
        nontemporal_store_wide_line(line_, part_);
      first_ = 0;
      line_ += cache_line_bytes;
    }
    for (; at + cache_line_bytes <= bytes; at += cache_line_bytes, line_ += cache_line_bytes)
      nontemporal_store_wide_line(line_, from + at);
    filled_ = bytes - at;
    if (filled_ == 0) return;
    const std::int64_t offset = offset_in_cache_line(from + at);
    if (offset == 0 || offset + filled_ > cache_line_bytes)
      put_bytes(part_, 0, filled_, from + at);
    else
      put_last_bytes(part_, filled_, from + bytes);
  }

  void finish() {
    if (filled_ > first_) store_bytes(line_, first_, filled_, part_);
    begin_at(line_ + filled_);
  }

 private:
  void begin_at(std::byte* to) {
    first_ = filled_ = offset_in_cache_line(to);
    line_ = to - first_;
  }

  std::byte* line_ = nullptr;
  std::int64_t first_ = 0;   ///< the first byte of the line that is ours to write
  std::int64_t filled_ = 0;  ///< up to where there are bytes in `part_`
  WideLine part_{};
};

}  // namespace multibuffer
