#include <multibuffer/device.hpp>
#include <multibuffer/error.hpp>

#include "host/backend/backend.hpp"
#include "host/support/text.hpp"

#include <charconv>
#include <optional>
#include <utility>

namespace multibuffer {
namespace {

constexpr std::string_view cuda_prefix = "cuda:";

/// N of "cuda:N".
int ordinal_of(std::string_view name) {
  const std::string_view digits = name.substr(cuda_prefix.size());
  int ordinal = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), ordinal);
  if (error != std::errc() || end != digits.data() + digits.size() || ordinal < 0)
    throw Failure(Errc::invalid_argument, text("device '", name, "': write cuda:0, cuda:1, ..."));
  return ordinal;
}

}  // namespace

Device::Device(std::shared_ptr<Backend> backend) : backend_(std::move(backend)) {}

Device Device::host() { return Device(open_host_backend()); }

Device Device::open(std::string_view name) {
  if (name == "auto") {
    // Asks for the first CUDA device alone: looking at all of them would start all of them.
    try {
      return Device(open_cuda_backend(0));
    } catch (const Error& error) {
      if (error.code() != Errc::device_unavailable) throw;
      return host();
    }
  }
  if (name == "host") return host();
  if (name == "cuda") return Device(open_cuda_backend(0));
  if (name.starts_with(cuda_prefix)) return Device(open_cuda_backend(ordinal_of(name)));
  throw Failure(Errc::invalid_argument,
                text("device '", name, "': there are auto, host, cuda, and cuda:N"));
}

Device Device::of_memory(const void* pointer) {
  const std::optional<int> ordinal = cuda_device_of(pointer);
  return ordinal ? Device(open_cuda_backend(*ordinal)) : host();
}

DeviceKind Device::kind() const { return backend_->kind(); }
int Device::ordinal() const { return backend_->ordinal(); }
std::string Device::name() const {
  return kind() == DeviceKind::host ? "host" : text(cuda_prefix, ordinal());
}
DeviceInfo Device::info() const { return backend_->info(); }
void Device::synchronize(StreamRef stream) const { backend_->synchronize(stream); }

DeviceList list_devices() {
  CudaDevices cuda = list_cuda_devices();
  DeviceList list{std::move(cuda.devices), std::move(cuda.why_none)};
  list.devices.push_back(Device::host().info());
  return list;
}

}  // namespace multibuffer
