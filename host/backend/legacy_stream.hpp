#pragma once

#include <multibuffer/device.hpp>

#include <cstdint>

namespace multibuffer {

/// The number of CUDA's legacy default stream in DLPack, and CUDA's own explicit name for it: the
/// stream that is meant where a protocol names none, and that needs no CUDA Toolkit to be named.
inline constexpr std::intptr_t legacy_stream_number = 1;

inline StreamHandle legacy_stream() noexcept {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): it is a name, and leads to nothing
  return reinterpret_cast<StreamHandle>(legacy_stream_number);
}

}  // namespace multibuffer
