#pragma once

#include <multibuffer/stream.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace multibuffer {

class Backend;
namespace detail {
struct Internals;  // what the library itself may see of its public classes
}

enum class DeviceKind { host, cuda };

struct DeviceInfo {
  DeviceKind kind = DeviceKind::host;
  int ordinal = 0;
  std::string name;               ///< "host", "cuda:0"
  std::string description;        ///< the processor's own name
  std::int64_t memory_bytes = 0;  ///< in all
  /// At the time of asking; nothing for a device that this process does not use: asking would make
  /// a context there, which takes some hundred megabytes.
  std::optional<std::int64_t> free_bytes;
};

/// A device that arrays can be placed on. Copies are the same device. Several threads may use one
/// at a time.
class Device {
 public:
  /// "auto", "host", "cuda", or "cuda:N". `auto` is the first CUDA device, else the host; an
  /// explicit device that is not there throws `device_unavailable` and says why.
  static Device open(std::string_view name = "auto");
  /// This machine's processors and memory.
  static Device host();
  /// The CUDA device whose memory `pointer` leads to, or the host.
  static Device of_memory(const void* pointer);

  DeviceKind kind() const;
  /// N of "cuda:N"; 0 for the host.
  int ordinal() const;
  /// "host", "cuda:0"; asks no driver.
  std::string name() const;
  /// Asks the driver how much memory is free, which takes microseconds to milliseconds.
  DeviceInfo info() const;
  /// Waits for the work on `stream`. Throws `invalid_argument` if it is being captured into a CUDA
  /// graph.
  void synchronize(StreamRef stream = {}) const;

  bool operator==(const Device&) const = default;

 private:
  friend detail::Internals;
  explicit Device(std::shared_ptr<Backend> backend);

  std::shared_ptr<Backend> backend_;
};

/// The devices of this machine, the host last; and why there is no CUDA device, if there is none.
struct DeviceList {
  std::vector<DeviceInfo> devices;
  std::string why_no_cuda;
};
DeviceList list_devices();

}  // namespace multibuffer
