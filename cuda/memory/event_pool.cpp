#include "cuda/memory/event_pool.hpp"

#include "cuda/memory/check.hpp"

namespace multibuffer::cuda {

Event EventPool::take() {
  cudaEvent_t event = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      event = idle_.back();
      idle_.pop_back();
    }
  }
  if (!event) MULTIBUFFER_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return {event, [this](cudaEvent_t idle) {
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
