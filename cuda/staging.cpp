#include "staging.hpp"

#include <multibuffer/error.hpp>

#include "check.hpp"

#include <algorithm>
#include <cstring>

namespace multibuffer::cuda {

std::int64_t piece_bytes(std::int64_t bytes) {
  // Copies reach the bus' full bandwidth from about 256 KiB on.
  constexpr std::int64_t least = std::int64_t{256} << 10;
  constexpr std::int64_t pieces = 8;
  const std::int64_t piece = (bytes / pieces + 4095) / 4096 * 4096;
  return std::clamp(piece, least, StagingRing::slot_bytes);
}

void stop_if_asked(const Watch& watch) {
  if (watch.stop.stop_requested()) throw Error(Errc::cancelled, "the transfer was not finished");
}

void StagingRing::allocate() {
  void* block = nullptr;
  MULTIBUFFER_CUDA_CHECK(
      cudaHostAlloc(&block, static_cast<std::size_t>(slots * slot_bytes), cudaHostAllocDefault));
  for (std::size_t i = 0; i < ring_.size(); ++i)
    ring_[i].data = static_cast<std::byte*>(block) + static_cast<std::int64_t>(i) * slot_bytes;
}

StagingRing::Slot& StagingRing::next_idle_slot() {
  if (!ring_[0].data) allocate();
  Slot& slot = ring_[next_];
  next_ = (next_ + 1) % ring_.size();
  if (slot.busy) MULTIBUFFER_CUDA_CHECK(cudaEventSynchronize(slot.busy.get()));
  slot.busy.reset();
  return slot;
}

void StagingRing::send(std::byte* to, std::int64_t bytes, const Fill& fill, cudaStream_t stream,
                       const Watch& watch) {
  const std::int64_t piece = piece_bytes(bytes);
  for (std::int64_t begin = 0; begin < bytes; begin += piece) {
    stop_if_asked(watch);
    const std::int64_t end = std::min(begin + piece, bytes);
    {
      const std::lock_guard lock(mutex_);
      Slot& slot = next_idle_slot();
      fill(begin, end, slot.data);
      MULTIBUFFER_CUDA_CHECK(cudaMemcpyAsync(to + begin, slot.data,
                                             static_cast<std::size_t>(end - begin),
                                             cudaMemcpyHostToDevice, stream));
      slot.busy = events_.record(stream);
    }
    // Outside of the lock: it may call this library.
    if (watch.progress) watch.progress(end, bytes);
  }
}

void StagingRing::receive(std::byte* to, const std::byte* from, std::int64_t bytes,
                          cudaStream_t stream) {
  struct Piece {
    Slot* slot;
    std::int64_t begin;
    std::int64_t end;
  };
  std::array<Piece, slots> pieces{};
  const std::int64_t size = piece_bytes(bytes);
  const std::int64_t count = (bytes + size - 1) / size;

  // What is queued before may take long, and the ring is others' as well.
  MULTIBUFFER_CUDA_CHECK(cudaStreamSynchronize(stream));
  const std::lock_guard lock(mutex_);
  std::int64_t enqueued = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    for (; enqueued < std::min(i + slots, count); ++enqueued) {
      const std::int64_t begin = enqueued * size;
      Piece& piece = pieces[static_cast<std::size_t>(enqueued % slots)];
      piece = {&next_idle_slot(), begin, std::min(begin + size, bytes)};
      MULTIBUFFER_CUDA_CHECK(cudaMemcpyAsync(piece.slot->data, from + begin,
                                             static_cast<std::size_t>(piece.end - begin),
                                             cudaMemcpyDeviceToHost, stream));
      piece.slot->busy = events_.record(stream);
    }
    const Piece& piece = pieces[static_cast<std::size_t>(i % slots)];
    MULTIBUFFER_CUDA_CHECK(cudaEventSynchronize(piece.slot->busy.get()));
    std::memcpy(to + piece.begin, piece.slot->data,
                static_cast<std::size_t>(piece.end - piece.begin));
  }
}

}  // namespace multibuffer::cuda
