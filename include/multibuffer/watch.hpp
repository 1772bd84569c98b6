#pragma once

#include <multibuffer/stream.hpp>

#include <cstdint>
#include <functional>
#include <stop_token>

namespace multibuffer {

/// How a long call can be followed and stopped. A stopped call throws `cancelled` and leaves
/// nothing behind but an `out` with unspecified contents.
struct Watch {
  std::stop_token stop;
  /// Called now and then, always from the calling thread, with the bytes done and the bytes in all:
  /// of the result in a gather, whatever its elements are converted from, else of what is read.
  std::function<void(std::int64_t done, std::int64_t total)> progress;
};

/// Where a call enqueues its work, and how it can be followed: the options of calls that have no
/// others.
struct CallOptions {
  StreamRef stream = {};
  Watch watch = {};
};

}  // namespace multibuffer
