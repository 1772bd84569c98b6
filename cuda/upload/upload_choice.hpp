#pragma once

#include <multibuffer/stages/place.hpp>

#include "host/support/threshold.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

namespace multibuffer::cuda {

/// The way in which leaves travel into their arena.
enum class UploadWay {
  packed,    ///< host threads pack them into page-locked slots, which the device copies
  straight,  ///< one run of page-locked memory, copied as it is
  batched,   ///< long page-locked runs, which the driver copies as one batch
  pulled,    ///< shorter page-locked runs, which a kernel reads straight into their places
};

/// The thresholds of the choice. Lengths of runs were measured on an H200 with PCIe gen5 x16 (55
/// GB/s) and 16 processors; bench/results/2026-11-26-h200.md has the figures.
namespace upload_thresholds {

/// Asking the driver for an address costs about what packing this many bytes does (0.3 us to 1 us a
/// question, 10 GB/s a thread and more). Fewer bytes are packed without asking, and asking ends
/// when it would cost more than packing. Reasoned, not measured.
inline constexpr Threshold bytes_a_question{std::int64_t{64} << 10, 1};

/// Mean length of a run from which on a batch copy beats a kernel that reads host memory: 34-43
/// against 49 GB/s at 32 KiB, 45-49 against 49 at 64 KiB, 52-53 against 50 at 256 KiB.
inline constexpr Threshold least_batch_run{std::int64_t{128} << 10, 256};

/// Mean length of a run from which on that kernel beats `threads` that pack: with 16 of them 10
/// against 23 GB/s at 256 B, 26 against 38 at 1 KiB, 40 against 43 at 4 KiB, 45 against 44 at 8
/// KiB. Fewer threads pack less; that part is reasoned.
inline std::int64_t least_pulled_run(std::int64_t threads) {
  constexpr Threshold a_thread{512, 0};
  constexpr std::int64_t most = std::int64_t{8} << 10;
  return std::min(threads * a_thread, most);
}

}  // namespace upload_thresholds

struct UploadFacts {
  std::int64_t bytes = 0;     ///< bytes of all leaves
  std::int64_t runs = 0;      ///< contiguous pieces that they consist of in the source
  bool equal_leaves = false;  ///< one after the other in the arena, all of one shape
  bool page_locked = false;   ///< each leaf lies in one page-locked allocation
  bool mapped = false;        ///< the device sees all of them at their own addresses
};

/// Picks the way. `threads` is the number of threads that would pack.
UploadWay choose_upload(const UploadFacts& facts, std::int64_t threads);

/// Page-locked memory around an address: one allocation, or one registration.
struct PageLockedRange {
  const std::byte* begin = nullptr;
  const std::byte* end = nullptr;
  bool mapped = false;  ///< the device sees it at the same address
};

/// Asks for the range around an address; nothing if that is not page-locked.
using FindPageLocked = std::function<std::optional<PageLockedRange>(const std::byte*)>;

/// Remembers the ranges that were found, so that many rows in few allocations cost few questions.
class PageLockedRanges {
 public:
  explicit PageLockedRanges(FindPageLocked find) : find_(std::move(find)) {}

  /// Returns the range that all of [begin, begin + bytes) lies in. Adjacent registrations are not
  /// one range: a copy may not cross from one to the other.
  std::optional<PageLockedRange> around(const std::byte* begin, std::int64_t bytes);
  std::int64_t questions() const noexcept { return questions_; }

 private:
  FindPageLocked find_;
  std::map<const std::byte*, PageLockedRange> found_;  ///< keyed by their ends
  std::int64_t questions_ = 0;
};

/// Collects the facts of a placement that is not in place, for `threads` that would pack. Does not
/// ask about runs so short that they are packed wherever they lie: asking about four million rows
/// of 64 bytes took twice as long as packing them (the host of an H200, 8 ns each).
UploadFacts upload_facts(const Placement& placement, std::int64_t threads,
                         const FindPageLocked& find);

}  // namespace multibuffer::cuda
