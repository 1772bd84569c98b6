#include "cuda/bad_index.hpp"

#include <multibuffer/error.hpp>

#include "cuda/memory/check.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <new>
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

std::int64_t IndexReport::value_of(const BadIndex& bad, const Context& context) const {
  const auto array = static_cast<std::size_t>(bad.array);
  if (array >= indices.size()) return bad.position;
  const int bytes_each = indices[array].bytes_each;
  const auto* at = static_cast<const std::byte*>(indices[array].data) + bad.position * bytes_each;
  std::int32_t narrow = 0;
  std::int64_t wide = 0;
  if (bytes_each == 4)
    fetch_bytes(&narrow, at, sizeof(narrow), context);
  else
    fetch_bytes(&wide, at, sizeof(wide), context);
  return bytes_each == 4 ? narrow : wide;
}

void IndexReport::fail(const BadIndex& bad, std::int64_t value) const {
  const auto array = static_cast<std::size_t>(bad.array);
  if (array < indices.size()) throw_bad_index(indices[array], bad.position, value);
  throw Failure(Errc::invalid_argument,
                text("the selected rows have ", value, " items, and there is room for ", room));
}

IndexReport report_of(const RaggedPlan& plan) {
  IndexReport report;
  if (plan.indices) report.indices.push_back(*plan.indices);
  report.room = plan.items;
  return report;
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

void BadIndexWords::put_back(BadIndexWord word) noexcept {
  const std::lock_guard lock(mutex_);
  try {
    idle_.push_back(std::move(word));
  } catch (const std::bad_alloc&) {
    // A later gather allocates another one.
  }
}

BadIndexCheck::BadIndexCheck(Context& context, BadIndexWords& words, BadIndexWord word,
                             IndexReport report, const std::vector<UsedMemory>& uses, Event done)
    : context_(context),
      words_(words),
      report_(std::move(report)),
      done_(std::move(done)),
      word_(std::move(word)) {
  word_.clean = false;
  for (const UsedMemory& used : uses)
    if (std::ranges::any_of(report_.indices, [&](const PlanIndices& indices) {
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
  if (answer_ != BadIndex::none) value_ = report_.value_of(BadIndex::from_word(answer_), context_);
  word_.clean = answer_ == BadIndex::none;
  words_.put_back(std::move(word_));
  index_memory_.clear();
  done_.reset();
}

void BadIndexCheck::wait() {
  const std::lock_guard lock(mutex_);
  if (done_) fetch();
  if (answer_ == BadIndex::none) return;
  report_.fail(BadIndex::from_word(answer_), value_);
}

}  // namespace multibuffer::cuda
