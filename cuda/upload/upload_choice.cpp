#include "cuda/upload/upload_choice.hpp"

#include <algorithm>

namespace multibuffer::cuda {

namespace {

/// Returns true for runs that threads pack faster than a kernel reads them, wherever they lie.
bool are_short(const UploadFacts& facts, std::int64_t threads) {
  return facts.runs > 1 && facts.bytes / facts.runs < upload_thresholds::least_pulled_run(threads);
}

}  // namespace

UploadWay choose_upload(const UploadFacts& facts, std::int64_t threads) {
  if (!facts.page_locked || facts.runs == 0 || are_short(facts, threads)) return UploadWay::packed;
  if (facts.runs == 1) return UploadWay::straight;
  if (facts.bytes / facts.runs >= upload_thresholds::least_batch_run) return UploadWay::batched;
  // A kernel could not read these, or would need a table of sizes.
  if (!facts.mapped || !facts.equal_leaves) return UploadWay::packed;
  return UploadWay::pulled;
}

std::optional<PageLockedRange> PageLockedRanges::around(const std::byte* begin,
                                                        std::int64_t bytes) {
  auto known = found_.upper_bound(begin);
  if (known == found_.end() || begin < known->second.begin) {
    ++questions_;
    const std::optional<PageLockedRange> range = find_(begin);
    if (!range) return std::nullopt;
    known = found_.insert_or_assign(range->end, *range).first;
  }
  if (known->second.end - begin < bytes) return std::nullopt;
  return known->second;
}

UploadFacts upload_facts(const Placement& placement, std::int64_t threads,
                         const FindPageLocked& find) {
  UploadFacts facts;
  for (const Segment& segment : placement.segments) facts.bytes += segment.bytes;
  facts.runs = placement.packing.empty() ? static_cast<std::int64_t>(placement.segments.size())
                                         : facts.bytes / placement.run_bytes;
  facts.equal_leaves = placement.kind == PlacementKind::packed && placement.run_bytes > 0;
  if (facts.bytes < upload_thresholds::bytes_a_question) return facts;
  if (are_short(facts, threads)) return facts;

  // A segment's range includes the gaps between its runs.
  std::int64_t gaps = 0;
  std::int64_t leaf = placement.run_bytes;
  for (const PackAxis& axis : placement.packing) {
    gaps += axis.stride * (axis.extent - 1);
    leaf *= axis.extent;
  }
  if (!placement.packing.empty()) gaps += placement.run_bytes - leaf;

  PageLockedRanges ranges(find);
  facts.mapped = true;
  for (const Segment& segment : placement.segments) {
    const auto range = ranges.around(segment.source, segment.bytes + gaps);
    if (!range) return facts;
    facts.mapped = facts.mapped && range->mapped;
    if (ranges.questions() > facts.bytes / upload_thresholds::bytes_a_question) return facts;
  }
  facts.page_locked = true;
  return facts;
}

}  // namespace multibuffer::cuda
