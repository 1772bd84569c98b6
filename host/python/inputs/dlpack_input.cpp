#include <multibuffer/dlpack.hpp>
#include <multibuffer/error.hpp>

#include "host/python/inputs/claims.hpp"
#include "host/python/inputs/interfaces.hpp"
#include "host/python/support/gil.hpp"
#include "host/python/support/values.hpp"
#include "host/support/text.hpp"

#include <cstdint>
#include <limits>
#include <memory>
#include <utility>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

constexpr const char* legacy_name = "dltensor";
constexpr const char* versioned_name = "dltensor_versioned";

/// Gives the tensor back at its end, with the GIL, which an exporter's deleter is free to need.
template <class Managed>
std::shared_ptr<Managed> held(Managed* managed) {
  return std::shared_ptr<Managed>(managed, [](Managed* tensor) {
    if (!tensor->deleter || !Py_IsInitialized()) return;
    const LettingGo guard;
    tensor->deleter(tensor);
  });
}

/// Takes the tensor out of its capsule.
template <class Managed>
std::shared_ptr<Managed> take_over(py::handle capsule, const char* name, const char* used_name) {
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule.ptr(), name));
  if (!managed || PyCapsule_SetName(capsule.ptr(), used_name) != 0) throw py::error_already_set();
  return held(managed);
}

bool is_on_cuda(const dlpack::Device& device) {
  return device.type == dlpack::device_cuda || device.type == dlpack::device_cuda_managed;
}

void check_version(const dlpack::ManagedTensorVersioned& managed) {
  if (managed.version.major != dlpack::version.major)
    throw py::buffer_error(text("DLPack version ", managed.version.major, ".",
                                managed.version.minor, " is not understood"));
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

const dlpack::ExchangeTable* exchange_table_of(PyTypeObject* type) {
  const auto attributes = py::reinterpret_steal<py::object>(
      PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), "__dict__"));
  const auto capsule = py::reinterpret_steal<py::object>(
      attributes ? PyMapping_GetItemString(attributes.ptr(), "__dlpack_c_exchange_api__")
                 : nullptr);
  PyErr_Clear();
  constexpr const char* name = "dlpack_exchange_api";
  if (!capsule || !PyCapsule_IsValid(capsule.ptr(), name)) return nullptr;
  const void* pointer = PyCapsule_GetPointer(capsule.ptr(), name);
  // Older tables hang on newer ones; what they share is the header.
  for (const auto* header = static_cast<const dlpack::ExchangeHeader*>(pointer); header;
       header = header->previous)
    if (header->version.major == dlpack::exchange_version.major)
      return reinterpret_cast<const dlpack::ExchangeTable*>(header);
  return nullptr;
}

std::shared_ptr<const dlpack::ManagedTensorVersioned> tensor_of(const dlpack::ExchangeTable& table,
                                                                py::handle object) {
  dlpack::ManagedTensorVersioned* managed = nullptr;
  const bool refused = table.from_object(object.ptr(), &managed) != 0 || PyErr_Occurred();
  if (refused || !managed) {
    if (!PyErr_Occurred())
      PyErr_Format(PyExc_BufferError, "%s refused a tensor without saying why",
                   Py_TYPE(object.ptr())->tp_name);
    const py::error_already_set refusal;
    explain_refused_tensor(object, refusal);
    throw refusal;
  }
  auto tensor = held(managed);
  check_version(*tensor);
  return tensor;
}

Source source_of_tensor(std::shared_ptr<const dlpack::ManagedTensorVersioned> tensor) {
  const bool readonly = (tensor->flags & dlpack::flag_read_only) != 0;
  Source source = made(tensor->tensor, readonly, tensor);
  source.is_copy = (tensor->flags & dlpack::flag_is_copied) != 0;
  return source;
}

void wait_for_tensors(const dlpack::ExchangeTable& table, const dlpack::Device& device) {
  if (!is_on_cuda(device)) return;
  void* stream = nullptr;
  if (table.current_stream(dlpack::device_cuda, device.id, &stream) != 0)
    throw py::error_already_set();
  const auto handle = StreamRef::from_number(reinterpret_cast<std::uintptr_t>(stream));
  const GilReleased released;
  multibuffer::Device::open(text("cuda:", device.id)).synchronize(handle);
}

dlpack::Device dlpack_device_of(py::handle object) {
  const auto [type, id] =
      pair_argument(object.attr("__dlpack_device__")(), "what __dlpack_device__() returns");
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  if (type < 0 || type > most || id < 0 || id > most)
    throw py::value_error(
        text("__dlpack_device__() returned (", type, ", ", id, "), which is no device"));
  return {static_cast<std::int32_t>(type), static_cast<std::int32_t>(id)};
}

namespace {

Source source_from_capsule(py::handle object) {
  const dlpack::Device where = dlpack_device_of(object);
  const bool on_cuda = is_on_cuda(where);
  py::dict words;
  if (on_cuda) words["stream"] = StreamRef::legacy().number();
  const py::object capsule = ask(object, words);
  if (on_cuda) {
    const Device device = Device::open(text("cuda:", where.id));
    const GilReleased released;
    device.synchronize(StreamRef::legacy());
  }

  if (PyCapsule_IsValid(capsule.ptr(), versioned_name)) {
    auto managed = take_over<dlpack::ManagedTensorVersioned>(capsule, versioned_name,
                                                             "used_dltensor_versioned");
    check_version(*managed);
    return source_of_tensor(std::move(managed));
  }
  if (!PyCapsule_IsValid(capsule.ptr(), legacy_name))
    throw py::buffer_error(text(Py_TYPE(object.ptr())->tp_name, ".__dlpack__() returned a ",
                                Py_TYPE(capsule.ptr())->tp_name,
                                ", not a capsule with a tensor that nobody has taken"));
  const auto managed = take_over<dlpack::ManagedTensor>(capsule, legacy_name, "used_dltensor");
  // Without a version there is no word for read-only, and such memory must not be exported.
  return made(managed->tensor, false, managed);
}

}  // namespace

Source source_from_dlpack(py::handle object, Route route) {
  const auto* const table =
      route != Route::protocols ? exchange_table_of(Py_TYPE(object.ptr())) : nullptr;
  if (table) {
    auto tensor = tensor_of(*table, object);
    wait_for_tensors(*table, tensor->tensor.device);
    return source_of_tensor(std::move(tensor));
  }
  try {
    if (route == Route::protocols) check_resolved(object);
    return source_from_capsule(object);
  } catch (const py::error_already_set& refusal) {
    explain_refused_tensor(object, refusal);
    throw;
  }
}

}  // namespace multibuffer::python
