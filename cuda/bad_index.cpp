#include "cuda/bad_index.hpp"

#include "cuda/memory/check.hpp"

#include <algorithm>
#include <utility>

namespace multibuffer::cuda {
namespace {

/// Reads memory whose contents are known to be written.
void fetch_bytes(void* to, const void* from, std::size_t bytes, const Context& context) {
  MULTIBUFFER_CUDA_CHECK(
      cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, context.fetch_stream()));
  MULTIBUFFER_CUDA_CHECK(cudaStreamSynchronize(context.fetch_stream()));
}

}  // namespace

std::uint64_t fetch_word(const DeviceMemory& word, const Context& context) {
  std::uint64_t answer = 0;
  fetch_bytes(&answer, word.data(), sizeof(answer), context);
  return answer;
}

std::int64_t fetch_index(const PlanIndices& indices, std::int64_t position,
                         const Context& context) {
  const auto* at = static_cast<const std::byte*>(indices.data) + position * indices.bytes_each;
  std::int32_t narrow = 0;
  std::int64_t wide = 0;
  if (indices.bytes_each == 4)
    fetch_bytes(&narrow, at, sizeof(narrow), context);
  else
    fetch_bytes(&wide, at, sizeof(wide), context);
  return indices.bytes_each == 4 ? narrow : wide;
}

void BadIndexWord::prepare(cudaStream_t stream) const {
  if (!clean)
    MULTIBUFFER_CUDA_CHECK(cudaMemsetAsync(memory->data(), 0xff, sizeof(BadIndex::none), stream));
}

BadIndexWord BadIndexWords::take(cudaStream_t stream) {
  BadIndexWord word;
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      word = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!word.memory)
    word.memory = std::make_shared<DeviceMemory>(
        context_, static_cast<std::int64_t>(sizeof(BadIndex::none)), stream);
  return word;
}

void BadIndexWords::put_back(BadIndexWord word) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(word));
}

BadIndexCheck::BadIndexCheck(Context& context, BadIndexWords& words, BadIndexWord word,
                             const CopyPlan& plan, const std::vector<UsedMemory>& uses, Event done)
    : context_(context),
      words_(words),
      indices_(plan.indices),
      done_(std::move(done)),
      word_(std::move(word)) {
  word_.clean = false;
  for (const UsedMemory& used : uses)
    if (std::ranges::any_of(indices_, [&](const PlanIndices& indices) {
          return used.memory->contains(indices.data);
        }))
      index_memory_.push_back(used.memory);
}

BadIndexCheck::~BadIndexCheck() {
  if (done_) words_.put_back(std::move(word_));
}

void BadIndexCheck::fetch() {
  const DeviceGuard guard(context_);
  MULTIBUFFER_CUDA_CHECK(cudaEventSynchronize(done_.get()));
  answer_ = fetch_word(*word_.memory, context_);
  if (answer_ != BadIndex::none) {
    const BadIndex bad = BadIndex::from_word(answer_);
    value_ = fetch_index(indices_[static_cast<std::size_t>(bad.array)], bad.position, context_);
  }
  word_.clean = answer_ == BadIndex::none;
  words_.put_back(std::move(word_));
  index_memory_.clear();
  done_.reset();
}

void BadIndexCheck::wait() {
  const std::lock_guard lock(mutex_);
  if (done_) fetch();
  if (answer_ == BadIndex::none) return;
  const BadIndex bad = BadIndex::from_word(answer_);
  throw_bad_index(indices_[static_cast<std::size_t>(bad.array)], bad.position, value_);
}

}  // namespace multibuffer::cuda
