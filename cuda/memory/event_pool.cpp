#include "cuda/memory/event_pool.hpp"

#include "cuda/memory/check.hpp"

namespace multibuffer::cuda {

bool has_ended(const Event& event) noexcept {
  const cudaError_t error = cudaEventQuery(event.get());
  ignore(error);
  return error == cudaSuccess;
}

cudaEvent_t EventPool::make() {
  const std::lock_guard lock(mutex_);
  if (idle_.capacity() == made_) idle_.reserve(2 * made_ + 16);
  cudaEvent_t event = nullptr;
  MULTIBUFFER_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  ++made_;
  return event;
}

Event EventPool::take() {
  cudaEvent_t event = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      event = idle_.back();
      idle_.pop_back();
    }
  }
  if (!event) event = make();
  // A handle that cannot be allocated gives it back as well.
  return {event, [this](cudaEvent_t idle) noexcept {
            const std::lock_guard lock(mutex_);
            idle_.push_back(idle);
          }};
}

Event EventPool::record(cudaStream_t stream) {
  Event event = take();
  MULTIBUFFER_CUDA_CHECK(cudaEventRecord(event.get(), stream));
  return event;
}

}  // namespace multibuffer::cuda
