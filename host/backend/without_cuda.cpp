#include <multibuffer/error.hpp>

#include "host/backend/backend.hpp"

// Stands in for cuda/ in a build without the CUDA Toolkit; why it is without, CMake says.
namespace multibuffer {
namespace {

constexpr const char* reason = "this build has no CUDA support (" MULTIBUFFER_WHY_NO_CUDA ")";

}  // namespace

std::shared_ptr<Backend> open_cuda_backend(int) { throw Failure(Errc::device_unavailable, reason); }

CudaDevices list_cuda_devices() { return {{}, reason}; }

std::optional<int> cuda_device_of(const void*) { return {}; }

}  // namespace multibuffer
