#include <multibuffer/dlpack.hpp>
#include <multibuffer/error.hpp>

#include "host/text.hpp"
#include "interfaces.hpp"

#include <cstdint>
#include <memory>
#include <utility>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

constexpr const char* legacy_name = "dltensor";
constexpr const char* versioned_name = "dltensor_versioned";

/// cudaStreamLegacy, and its number in DLPack: what every consumer may name without a runtime.
constexpr int legacy_stream = 1;

/// Takes the tensor out of its capsule; the result's deleter gives it back, with the GIL, which an
/// exporter's deleter is free to need.
template <class Managed>
std::shared_ptr<Managed> take_over(py::handle capsule, const char* name, const char* used_name) {
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule.ptr(), name));
  if (!managed || PyCapsule_SetName(capsule.ptr(), used_name) != 0) throw py::error_already_set();
  return std::shared_ptr<Managed>(managed, [](Managed* held) {
    if (!held->deleter || !Py_IsInitialized()) return;
    const PyGILState_STATE gil = PyGILState_Ensure();
    held->deleter(held);
    PyGILState_Release(gil);
  });
}

/// Asks for a versioned tensor; exporters from before 1.0 do not know the word.
py::object ask(py::handle object, const py::dict& words) {
  const py::object method = object.attr("__dlpack__");
  try {
    const auto version = py::make_tuple(dlpack::version.major, dlpack::version.minor);
    return method(py::arg("max_version") = version, **words);
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_TypeError)) throw;
  }
  return method(**words);
}

Source made(const dlpack::Tensor& tensor, bool readonly, std::shared_ptr<const void> owner) {
  Source source{dlpack::view(tensor, readonly), std::move(owner), "host", nullptr};
  if (source.view.space() == MemorySpace::device)
    source.device = text("cuda:", tensor.device.id);
  else
    source.description = std::make_shared<const Description>(source.view);
  return source;
}

}  // namespace

Source source_from_dlpack(py::handle object) {
  const auto where = object.attr("__dlpack_device__")().cast<std::pair<int, int>>();
  const bool on_cuda =
      where.first == dlpack::device_cuda || where.first == dlpack::device_cuda_managed;
  py::dict words;
  if (on_cuda) words["stream"] = legacy_stream;
  const py::object capsule = ask(object, words);
  if (on_cuda) {
    const Device device = Device::open(text("cuda:", where.second));
    const py::gil_scoped_release release;
    device.synchronize(reinterpret_cast<StreamHandle>(std::intptr_t{legacy_stream}));
  }

  if (PyCapsule_IsValid(capsule.ptr(), versioned_name)) {
    auto managed = take_over<dlpack::ManagedTensorVersioned>(capsule, versioned_name,
                                                             "used_dltensor_versioned");
    if (managed->version.major != dlpack::version.major)
      throw py::buffer_error(text("DLPack version ", managed->version.major, ".",
                                  managed->version.minor, " is not understood"));
    const bool readonly = (managed->flags & dlpack::flag_read_only) != 0;
    return made(managed->tensor, readonly, managed);
  }
  const auto managed = take_over<dlpack::ManagedTensor>(capsule, legacy_name, "used_dltensor");
  // Without a version there is no word for read-only, and such memory must not be exported.
  return made(managed->tensor, false, managed);
}

}  // namespace multibuffer::python
