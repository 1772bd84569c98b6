#include "cuda/memory/staging.hpp"

#include <multibuffer/error.hpp>

#include "cuda/memory/check.hpp"
#include "host/support/index_of.hpp"
#include "host/support/parallel.hpp"
#include "host/support/rounding.hpp"
#include "host/support/threshold.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <exception>
#include <utility>

namespace multibuffer::cuda {
namespace {

/// Copies reach the bus' full bandwidth from about 256 KiB on, and slots that fit into a core's own
/// cache are packed fastest.
constexpr Threshold slot_bytes{std::int64_t{1} << 20, 64 << 10};

/// Each thread has a slot to fill and one that is being copied, within a bound on page-locked
/// memory.
std::size_t slot_count() { return static_cast<std::size_t>(std::clamp(2 * thread_count(), 4, 32)); }

}  // namespace

void stop_if_asked(const Watch& watch) {
  if (watch.stop.stop_requested()) throw Failure(Errc::cancelled, "the transfer was not finished");
}

class StagingRing::Loan {
 public:
  Loan(StagingRing& ring, std::size_t number) : ring_(&ring), number_(number) {}
  Loan(Loan&& other) noexcept
      : ring_(std::exchange(other.ring_, nullptr)), number_(other.number_) {}
  Loan& operator=(Loan&&) = delete;
  ~Loan() {
    if (ring_) ring_->idle_.put_back(number_);
  }
  Slot& slot() const { return ring_->slots_[number_]; }

  /// Waits until the device is done with the slot's last contents.
  void await_device() const {
    if (slot().busy) MULTIBUFFER_CUDA_CHECK(cudaEventSynchronize(slot().busy.get()));
    slot().busy.reset();
  }

  /// Enqueues a copy from or to the slot. If no event can be recorded behind it, waits for it,
  /// because the next borrower of the slot would not.
  void copy(void* to, const void* from, std::int64_t bytes, cudaMemcpyKind kind,
            cudaStream_t stream) const {
    MULTIBUFFER_CUDA_CHECK(
        cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), kind, stream));
    try {
      slot().busy = ring_->context_.events().record(stream);
    } catch (...) {
      ignore(cudaStreamSynchronize(stream));
      throw;
    }
  }

 private:
  StagingRing* ring_;
  std::size_t number_;
};

StagingRing::StagingRing(Context& context)
    : context_(context), slots_(slot_count()), idle_(slots_.size()) {}

void StagingRing::allocate() {
  std::call_once(allocated_, [this] {
    void* block = nullptr;
    MULTIBUFFER_CUDA_CHECK(
        cudaHostAlloc(&block, slots_.size() * index_of(slot_bytes), cudaHostAllocDefault));
    for (std::size_t i = 0; i < slots_.size(); ++i)
      slots_[i].data = static_cast<std::byte*>(block) + static_cast<std::int64_t>(i) * slot_bytes;
  });
}

void StagingRing::fill_and_send(std::byte* to, std::int64_t begin, std::int64_t end,
                                const Fill& fill, cudaStream_t stream) {
  const DeviceGuard guard(context_);  // CUDA may not have seen this thread yet
  for (; begin < end; begin += slot_bytes) {
    const std::int64_t stop = std::min(begin + slot_bytes, end);
    const Loan loan(*this, idle_.take());
    loan.await_device();
    fill(begin, stop, loan.slot().data);
    loan.copy(to + begin, loan.slot().data, stop - begin, cudaMemcpyHostToDevice, stream);
  }
}

void StagingRing::send(std::byte* to, std::int64_t bytes, const Fill& fill, cudaStream_t stream,
                       const Watch& watch) {
  // Pieces start at pages of the arena.
  constexpr std::int64_t unit = 4096;
  if (bytes == 0) return;
  allocate();
  Watch rounded{watch.stop, {}};
  if (watch.progress)
    rounded.progress = [&](std::int64_t done, std::int64_t) {
      watch.progress(std::min(done, bytes), bytes);
    };
  // cudaStreamPerThread is another stream on every thread, so only this thread may use the
  // caller's.
  if (stream == cudaStreamPerThread) {
    stop_if_asked(rounded);
    fill_and_send(to, 0, bytes, fill, stream);
    if (watch.progress) watch.progress(bytes, bytes);
    return;
  }
  std::atomic<bool> failed = false;
  std::exception_ptr failure;
  parallel_for(ceil_divide(bytes, unit), unit, rounded, [&](std::int64_t begin, std::int64_t end) {
    if (failed) return;
    try {
      fill_and_send(to, begin * unit, std::min(end * unit, bytes), fill, stream);
    } catch (...) {
      if (!failed.exchange(true)) failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
}

void StagingRing::receive(std::byte* to, const std::byte* from, std::int64_t bytes,
                          cudaStream_t stream) {
  struct Piece {
    Loan loan;
    std::int64_t begin;
    std::int64_t end;
  };
  allocate();
  // Earlier work may take long, and other threads need the slots.
  MULTIBUFFER_CUDA_CHECK(cudaStreamSynchronize(stream));
  std::deque<Piece> under_way;
  const auto fetch = [&](std::size_t number, std::int64_t begin) {
    const Piece& piece = under_way.emplace_back(
        Piece{Loan(*this, number), begin, std::min(begin + slot_bytes, bytes)});
    piece.loan.await_device();
    piece.loan.copy(piece.loan.slot().data, from + begin, piece.end - begin, cudaMemcpyDeviceToHost,
                    stream);
  };
  std::int64_t asked_for = 0;
  while (asked_for < bytes || !under_way.empty()) {
    for (; asked_for < bytes; asked_for += slot_bytes) {
      const auto number = under_way.empty() ? idle_.take() : idle_.take_another();
      if (!number) break;
      fetch(*number, asked_for);
    }
    const Piece& piece = under_way.front();
    piece.loan.await_device();
    std::memcpy(to + piece.begin, piece.loan.slot().data,
                static_cast<std::size_t>(piece.end - piece.begin));
    under_way.pop_front();
  }
}

}  // namespace multibuffer::cuda
