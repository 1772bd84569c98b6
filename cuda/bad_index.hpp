#pragma once

#include "cuda/kernels/kernel_plan.hpp"
#include "cuda/memory/context.hpp"
#include "cuda/memory/device_memory.hpp"
#include "host/backend/backend.hpp"

#include <memory>
#include <mutex>
#include <vector>

namespace multibuffer::cuda {

/// A word of device memory in which a gather leaves its lowest bad index.
struct BadIndexWord {
  std::shared_ptr<DeviceMemory> memory;
  bool clean = false;  ///< known to be BadIndex::none

  Address address() const { return reinterpret_cast<std::uintptr_t>(memory->data()); }
  /// Cleans the word if needed, within a use on `stream` that writes it.
  void prepare(cudaStream_t stream) const;
};

/// Says what the word can report: which indices are checked and, for a ragged plan, how many items
/// there is room for.
struct IndexReport {
  decltype(CopyPlan::indices) indices;
  std::int64_t room = 0;

  /// Returns the value that `bad` is about, from the device's memory if it is an index.
  std::int64_t value_of(const BadIndex& bad, const Context& context) const;
  [[noreturn]] void fail(const BadIndex& bad, std::int64_t value) const;
};

IndexReport report_of(const RaggedPlan& plan);

/// Reads the word. The work that may write it must have ended.
std::uint64_t fetch_word(const DeviceMemory& word, const Context& context);
/// Reuses words: a gather whose word is known to be clean costs only its kernel.
class BadIndexWords {
 public:
  explicit BadIndexWords(Context& context) : context_(context) {}
  BadIndexWords(const BadIndexWords&) = delete;
  BadIndexWords& operator=(const BadIndexWords&) = delete;

  /// Returns a word for work on `stream`.
  BadIndexWord take(cudaStream_t stream);
  void put_back(BadIndexWord word) noexcept;

 private:
  Context& context_;
  std::mutex mutex_;
  std::vector<BadIndexWord> idle_;
};

/// The outcome of one gather's check of indices. It keeps the blocks that hold index arrays until
/// the outcome is known, because a bad index is read again for the message.
class BadIndexCheck final : public PendingWork {
 public:
  BadIndexCheck(Context& context, BadIndexWords& words, BadIndexWord word, IndexReport report,
                const std::vector<UsedMemory>& uses, Event done);
  ~BadIndexCheck() override;
  void wait() override;

 private:
  void fetch();

  Context& context_;
  BadIndexWords& words_;
  IndexReport report_;

  std::mutex mutex_;
  Event done_;  ///< null once the outcome is known
  BadIndexWord word_;
  std::vector<std::shared_ptr<Memory>> index_memory_;
  std::uint64_t answer_ = BadIndex::none;
  std::int64_t value_ = 0;  ///< that the answer is about
};

}  // namespace multibuffer::cuda
