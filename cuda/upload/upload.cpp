#include "cuda/upload/upload.hpp"

#include "cuda/memory/check.hpp"
#include "cuda/memory/device_memory.hpp"
#include "cuda/memory/stream_use.hpp"
#include "cuda/upload/arena_image.hpp"
#include "cuda/upload/copy_batch.hpp"
#include "cuda/upload/pointers.hpp"
#include "cuda/upload/source_runs.hpp"
#include "host/support/parallel.hpp"
#include "host/support/threshold.hpp"

#include <algorithm>
#include <cstring>
#include <span>

namespace multibuffer::cuda {
namespace {

/// The bytes that are enqueued at a time. Between them a stop request is heard and progress
/// reported.
constexpr Threshold stage_bytes{std::int64_t{64} << 20, 64 << 10};

/// Enqueues work that reads the caller's memory in steps: one is always under way while the host
/// waits for the one before. On return, also by an exception, all of the work is done.
class Stages {
 public:
  Stages(Context& context, cudaStream_t stream, const Watch& watch, std::int64_t total)
      : context_(context), stream_(stream), watch_(watch), total_(total) {}
  ~Stages() {
    if (!finished_) ignore(cudaStreamSynchronize(stream_));
  }
  Stages(const Stages&) = delete;
  Stages& operator=(const Stages&) = delete;

  template <class Enqueue>
  void add(std::int64_t bytes, Enqueue&& enqueue) {
    stop_if_asked(watch_);
    enqueue();
    Event here = context_.events().record(stream_);
    if (earlier_) MULTIBUFFER_CUDA_CHECK(cudaEventSynchronize(earlier_.get()));
    if (watch_.progress && done_ > 0) watch_.progress(done_, total_);
    earlier_ = std::move(here);
    done_ += bytes;
  }

  void finish() {
    if (earlier_) MULTIBUFFER_CUDA_CHECK(cudaEventSynchronize(earlier_.get()));
    finished_ = true;
    if (watch_.progress) watch_.progress(done_, total_);
  }

 private:
  Context& context_;
  cudaStream_t stream_;
  Watch watch_;
  std::int64_t total_;
  std::int64_t done_ = 0;
  Event earlier_;
  bool finished_ = false;
};

/// Returns as many of the first runs as make a step.
std::span<const SourceRun> first_stage(std::span<const SourceRun> runs, std::int64_t& bytes) {
  std::size_t count = 0;
  bytes = 0;
  while (count < runs.size() && (count == 0 || bytes + runs[count].bytes <= stage_bytes))
    bytes += runs[count++].bytes;
  return runs.first(count);
}

/// Cuts runs that are longer than a step.
std::vector<SourceRun> in_stages(std::vector<SourceRun> runs) {
  std::vector<SourceRun> pieces;
  for (SourceRun run : runs) {
    for (; run.bytes > stage_bytes; run.bytes -= stage_bytes) {
      pieces.push_back({run.source, run.offset, stage_bytes});
      run.source += stage_bytes;
      run.offset += stage_bytes;
    }
    pieces.push_back(run);
  }
  return pieces;
}

}  // namespace

void Uploader::copy_runs(const Placement& placement, std::byte* arena, cudaStream_t stream,
                         const Watch& watch) {
  const std::vector<SourceRun> pieces = in_stages(source_runs(placement));
  std::int64_t total = 0;
  for (const SourceRun& piece : pieces) total += piece.bytes;
  if (total < placement.arena_bytes)  // bytes between leaves are 0
    MULTIBUFFER_CUDA_CHECK(
        cudaMemsetAsync(arena, 0, static_cast<std::size_t>(placement.arena_bytes), stream));
  Stages stages(context_, stream, watch, total);
  for (std::span<const SourceRun> rest = pieces; !rest.empty();) {
    std::int64_t bytes = 0;
    const std::span<const SourceRun> stage = first_stage(rest, bytes);
    stages.add(bytes, [&] { copy_batch(arena, stage, stream); });
    rest = rest.subspan(stage.size());
  }
  stages.finish();
}

void Uploader::pull(const Placement& placement, std::byte* arena, cudaStream_t stream,
                    const Watch& watch) {
  const PullPlan plan = pull_plan(placement);
  const std::span<const std::byte> table = plan.table();
  DeviceMemory addresses(context_, static_cast<std::int64_t>(table.size()), stream);
  StreamUse use(context_, stream);
  use.writes(addresses);
  use.begin();
  ring_.send(addresses.data(), addresses.bytes(),
             [&](std::int64_t begin, std::int64_t end, std::byte* slot) {
               std::memcpy(slot, table.data() + begin, static_cast<std::size_t>(end - begin));
             },
             stream, {});
  const std::int64_t leaves_a_stage = std::max<std::int64_t>(1, stage_bytes / plan.leaf_bytes);
  Stages stages(context_, stream, watch, placement.arena_bytes);
  for (std::int64_t first = 0; first < plan.leaves; first += leaves_a_stage) {
    const std::int64_t count = std::min(leaves_a_stage, plan.leaves - first);
    stages.add(count * plan.leaf_bytes,
               [&] { launch_(plan.gather(first, count, addresses.data(), arena), stream); });
  }
  stages.finish();
  use.finish();
}

UploadWay Uploader::upload(const Placement& placement,
                           const std::vector<std::int64_t>& table_offsets, std::byte* arena,
                           cudaStream_t stream, const Watch& watch) {
  const ArenaImage image(placement, table_offsets);
  const std::int64_t threads = thread_count();
  const UploadWay way =
      image.leaf_bytes() == 0
          ? UploadWay::packed
          : choose_upload(upload_facts(placement, threads, find_page_locked), threads);
  if (way == UploadWay::straight || way == UploadWay::batched)
    copy_runs(placement, arena, stream, watch);
  if (way == UploadWay::pulled) pull(placement, arena, stream, watch);

  const std::int64_t begin = way == UploadWay::packed ? 0 : image.leaf_bytes();
  ring_.send(
      arena + begin, image.bytes() - begin,
      [&](std::int64_t from, std::int64_t to, std::byte* slot) {
        image.fill(begin + from, begin + to, slot);
      },
      stream, begin == 0 ? watch : Watch{watch.stop, {}});
  return way;
}

void Uploader::write(std::byte* to, const std::byte* from, std::int64_t bytes,
                     cudaStream_t stream) {
  if (bytes >= upload_thresholds::bytes_a_question && is_page_locked(from, bytes)) {
    Stages stages(context_, stream, {}, bytes);
    stages.add(bytes, [&] { copy_batch(to, std::vector<SourceRun>{{from, 0, bytes}}, stream); });
    return stages.finish();
  }
  ring_.send(to, bytes,
             [&](std::int64_t begin, std::int64_t end, std::byte* slot) {
               std::memcpy(slot, from + begin, static_cast<std::size_t>(end - begin));
             },
             stream, {});
}

}  // namespace multibuffer::cuda
