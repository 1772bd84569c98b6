#pragma once

#include <cstdint>

namespace multibuffer {

/// Names a stream of work on a device. It owns nothing: the stream must exist while it is used.
///
/// A default-constructed one is the private stream that every device handle has. No pointer and no
/// number converts to a `StreamRef`, since CUDA writes its own default stream as 0, which is
/// another stream than the private one. <multibuffer/cuda/stream.hpp> makes one of a
/// `cudaStream_t`. The host has no streams, and ignores what it is given.
class StreamRef {
 public:
  /// The private stream.
  constexpr StreamRef() noexcept = default;
  /// The private stream, in words.
  static constexpr StreamRef own() noexcept { return {}; }
  /// CUDA's legacy default stream, which waits for all other blocking streams, and they for it.
  /// Protocols that name no stream mean this one.
  static constexpr StreamRef legacy() noexcept { return from_number(1); }
  /// The default stream of the thread that uses it.
  static constexpr StreamRef per_thread() noexcept { return from_number(2); }
  /// The stream whose `cudaStream_t` has this value, as DLPack and the array interfaces write it: 1
  /// and 2 are CUDA's default streams, and 0 is the legacy one, too.
  static constexpr StreamRef from_number(std::uintptr_t number) noexcept {
    StreamRef stream;
    stream.number_ = number == 0 ? 1 : number;
    return stream;
  }

  constexpr bool is_own() const noexcept { return number_ == 0; }
  /// The value of its `cudaStream_t`; 0 for the private stream.
  constexpr std::uintptr_t number() const noexcept { return number_; }

  constexpr bool operator==(const StreamRef&) const noexcept = default;

 private:
  std::uintptr_t number_ = 0;
};

}  // namespace multibuffer
