#pragma once

#include <multibuffer/place.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

namespace multibuffer::cuda {

/// How leaves travel into their arena.
enum class UploadWay {
  packed,    ///< host threads pack them into page-locked slots, which the device copies
  straight,  ///< one run of page-locked memory, copied as it is
  batched,   ///< long page-locked runs, which the driver copies as one batch
  pulled,    ///< short page-locked runs, which a kernel reads straight into their places
};

/// What decides. None of these was measured on a GPU by this project yet: each has the public
/// figure that it comes from, and `bench/results/README.md` the command that measures it.
namespace upload_thresholds {

/// Asking the driver for an address costs about what packing this many bytes does (0.3 us to 1 us a
/// question, 10 GB/s a thread and more): less than this is packed unasked, and questions are given
/// up when they would cost more than packing.
inline constexpr std::int64_t bytes_a_question = std::int64_t{64} << 10;

/// Mean length of a run from which on a batch copy beats a kernel that reads host memory. On an
/// H100 with PCIe gen5 x16: batches reach 4-7 GB/s at 4-16 KiB and 52 of 55 GB/s from 64 KiB on;
/// offloading key-value caches found the kernel ahead below 28 KiB.
inline constexpr std::int64_t least_batch_run = std::int64_t{28} << 10;

}  // namespace upload_thresholds

struct UploadFacts {
  std::int64_t bytes = 0;     ///< of all leaves
  std::int64_t runs = 0;      ///< contiguous pieces that they consist of in the source
  bool equal_leaves = false;  ///< one after the other in the arena, all of one shape
  bool page_locked = false;   ///< each leaf lies in one page-locked allocation
  bool mapped = false;        ///< the device sees all of them at their own addresses
};

UploadWay choose_upload(const UploadFacts& facts);

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

  /// The range that all of [begin, begin + bytes) lies in. Two registrations side by side are not
  /// one: a copy may not cross from one to the other.
  std::optional<PageLockedRange> around(const std::byte* begin, std::int64_t bytes);
  std::int64_t questions() const noexcept { return questions_; }

 private:
  FindPageLocked find_;
  std::map<const std::byte*, PageLockedRange> found_;  ///< by where they end
  std::int64_t questions_ = 0;
};

/// What is to be known of a placement that is not in place.
UploadFacts upload_facts(const Placement& placement, const FindPageLocked& find);

}  // namespace multibuffer::cuda
