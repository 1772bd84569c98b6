#pragma once

#include "cuda/bad_index.hpp"
#include "cuda/gather_launch.hpp"
#include "cuda/memory/context.hpp"
#include "cuda/memory/device_memory.hpp"
#include "cuda/ragged_launch.hpp"
#include "host/backend/backend.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <variant>
#include <vector>

namespace multibuffer::cuda {

/// A copy that runs many times. A run is a launch, or the few of a ragged copy, and, unless the
/// stream is being captured, an event behind it, which orders other streams' work on the same
/// blocks.
class CudaPreparedCopy final : public PreparedCopy {
 public:
  CudaPreparedCopy(Context& context, StagingRing& ring, const CopyPlan& plan, bool check,
                   std::vector<UsedMemory> uses, StreamRef stream);
  CudaPreparedCopy(Context& context, StagingRing& ring, const RaggedPlan& plan, bool check,
                   std::vector<UsedMemory> uses, StreamRef stream);
  ~CudaPreparedCopy() override;
  CudaPreparedCopy(const CudaPreparedCopy&) = delete;
  CudaPreparedCopy& operator=(const CudaPreparedCopy&) = delete;

  void run() override;
  void end_runs() noexcept override;
  void wait() override;

 private:
  /// Begins both constructors, which end with `get_ready`.
  CudaPreparedCopy(Context& context, IndexReport report, bool checks, const std::byte* output,
                   std::vector<UsedMemory> uses, cudaStream_t stream);
  void get_ready(const std::shared_ptr<DeviceMemory>& memory, bool is_written);
  Address word_address() const;
  void launch() const;
  void clean_word();

  Context& context_;
  cudaStream_t stream_;
  IndexReport report_;
  std::vector<UsedMemory> uses_;
  bool is_output_foreign_;
  std::shared_ptr<DeviceMemory> word_;  ///< of bad indices; null where nothing is checked
  std::variant<std::monostate, GatherLaunch, RaggedLaunch> launch_;  ///< one, once constructed

  std::mutex mutex_;
  Event done_;                         ///< the last run that was not captured
  std::atomic<bool> can_run_ = false;  ///< from when the stream is registered on
  bool dirty_ = false;                 ///< the word was not BadIndex::none when last seen
};

}  // namespace multibuffer::cuda
