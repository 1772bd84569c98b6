// A framework of our own, as small as can be: tensors that C code takes through DLPack's exchange
// table, and C code that takes and makes other types' tensors through theirs. The structures are
// written down here once more, as DLPack 1.2 lays them out.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace {

extern "C" {
struct DLDevice {
  int device_type;
  std::int32_t device_id;
};
struct DLDataType {
  std::uint8_t code, bits;
  std::uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  std::int32_t ndim;
  DLDataType dtype;
  std::int64_t *shape, *strides;
  std::uint64_t byte_offset;
};
struct DLPackVersion {
  std::uint32_t major, minor;
};
struct DLManagedTensorVersioned {
  DLPackVersion version;
  void* manager_ctx;
  void (*deleter)(DLManagedTensorVersioned*);
  std::uint64_t flags;
  DLTensor dl_tensor;
};
struct DLPackExchangeAPIHeader {
  DLPackVersion version;
  DLPackExchangeAPIHeader* prev_api;
};
using SetError = void (*)(void* error_ctx, const char* kind, const char* message);
struct DLPackExchangeAPI {
  DLPackExchangeAPIHeader header;
  int (*managed_tensor_allocator)(DLTensor*, DLManagedTensorVersioned**, void*, SetError);
  int (*managed_tensor_from_py_object_no_sync)(void*, DLManagedTensorVersioned**);
  int (*managed_tensor_to_py_object_no_sync)(DLManagedTensorVersioned*, void**);
  int (*dltensor_from_py_object_no_sync)(void*, DLTensor*);
  int (*current_work_stream)(int, std::int32_t, void**);
};
}

constexpr const char* capsule_name = "dlpack_exchange_api";

// ---- The producer

struct Tensor {
  std::shared_ptr<std::vector<std::int32_t>> elements;
  std::vector<std::int64_t> shape, strides;
  std::uint64_t offset = 0;  ///< elements
  bool readonly = false;
  std::string misbehave;  ///< how `from_object` does; no such tensor is lent
};

int live_tensors = 0;

struct Manager {
  Tensor tensor;
  DLManagedTensorVersioned managed;
};

int from_object(void* object, DLManagedTensorVersioned** out) {
  const auto& tensor = py::handle(static_cast<PyObject*>(object)).cast<const Tensor&>();
  if (tensor.misbehave == "silent") return -1;
  if (tensor.misbehave == "raises") {
    PyErr_SetString(PyExc_ZeroDivisionError, "in from_object");
    return -1;
  }
  auto* const manager = new Manager{tensor, {}};
  manager->managed = {{tensor.misbehave == "version" ? 2U : 1U, 2},
                      manager,
                      [](DLManagedTensorVersioned* self) {
                        delete static_cast<Manager*>(self->manager_ctx);
                        --live_tensors;
                      },
                      tensor.readonly ? 1U : 0U,
                      {tensor.elements->data(),
                       {1, 0},
                       static_cast<std::int32_t>(tensor.shape.size()),
                       {0, 32, 1},
                       manager->tensor.shape.data(),
                       manager->tensor.strides.data(),
                       tensor.offset * sizeof(std::int32_t)}};
  ++live_tensors;
  *out = &manager->managed;
  return 0;
}

/// Lends what `from_object` gives, in place.
int lend(void* object, DLTensor* out) {
  const auto& tensor = py::handle(static_cast<PyObject*>(object)).cast<const Tensor&>();
  if (!tensor.misbehave.empty()) {
    PyErr_SetString(PyExc_LookupError, "in lend");
    return -1;
  }
  *out = {tensor.elements->data(),
          {1, 0},
          static_cast<std::int32_t>(tensor.shape.size()),
          {0, 32, 1},
          const_cast<std::int64_t*>(tensor.shape.data()),
          const_cast<std::int64_t*>(tensor.strides.data()),
          tensor.offset * sizeof(std::int32_t)};
  return 0;
}

int refuse_to_make(DLManagedTensorVersioned*, void**) { return -1; }
int refuse_to_allocate(DLTensor*, DLManagedTensorVersioned**, void*, SetError) { return -1; }
int no_stream(int, std::int32_t, void** out) {
  *out = nullptr;
  return 0;
}

DLPackExchangeAPI table{{{1, 2}, nullptr}, refuse_to_allocate, from_object, refuse_to_make, lend,
                        no_stream};
/// A table that lends nothing, as the older ones.
DLPackExchangeAPI plain_table{{{1, 2}, nullptr}, refuse_to_allocate, from_object, refuse_to_make,
                              nullptr,           no_stream};
/// What a framework of DLPack 2 would have.
DLPackExchangeAPIHeader newer_table{{2, 0}, &table.header};

// ---- The consumer

const DLPackExchangeAPI& table_of(py::handle type) {
  const py::object capsule = type.attr("__dlpack_c_exchange_api__");
  const void* pointer = PyCapsule_GetPointer(capsule.ptr(), capsule_name);
  if (!pointer) throw py::error_already_set();
  return *static_cast<const DLPackExchangeAPI*>(pointer);
}

struct Deleter {
  void operator()(DLManagedTensorVersioned* managed) const { managed->deleter(managed); }
};
using Managed = std::unique_ptr<DLManagedTensorVersioned, Deleter>;

std::vector<std::int64_t> numbers(const std::int64_t* first, std::int32_t count) {
  return {first, first + count};
}

/// (shape, strides, type code and bits, device, address, the first bytes) of an object's tensor.
py::tuple take(py::handle object) {
  const DLPackExchangeAPI& api = table_of(py::type::handle_of(object));
  DLManagedTensorVersioned* managed = nullptr;
  if (api.managed_tensor_from_py_object_no_sync(object.ptr(), &managed) != 0)
    throw py::error_already_set();
  const Managed held(managed);
  const DLTensor& tensor = managed->dl_tensor;
  return py::make_tuple(numbers(tensor.shape, tensor.ndim), numbers(tensor.strides, tensor.ndim),
                        std::pair(tensor.dtype.code, tensor.dtype.bits),
                        std::pair(tensor.device.device_type, tensor.device.device_id),
                        reinterpret_cast<std::uintptr_t>(tensor.data), managed->version.major);
}

struct Failure {
  std::string kind, message;
};

/// An object of `type` with memory of its own making, filled with the byte `fill`.
py::object make(py::handle type, std::vector<std::int64_t> shape, std::uint8_t code,
                std::uint8_t bits, int device_type, int fill, bool readonly) {
  const DLPackExchangeAPI& api = table_of(type);
  DLTensor prototype{nullptr,
                     {device_type, 0},
                     static_cast<std::int32_t>(shape.size()),
                     {code, bits, 1},
                     shape.data(),
                     nullptr,
                     0};
  Failure failure;
  DLManagedTensorVersioned* managed = nullptr;
  const auto set_error = [](void* context, const char* kind, const char* message) {
    *static_cast<Failure*>(context) = {kind, message};
  };
  if (api.managed_tensor_allocator(&prototype, &managed, &failure, set_error) != 0)
    throw py::value_error(failure.kind + ": " + failure.message);
  std::size_t bytes = bits / 8;
  for (const std::int64_t extent : shape) bytes *= static_cast<std::size_t>(extent);
  std::memset(managed->dl_tensor.data, fill, bytes);
  if (readonly) managed->flags |= 1;
  void* object = nullptr;
  if (api.managed_tensor_to_py_object_no_sync(managed, &object) != 0) {
    managed->deleter(managed);
    throw py::error_already_set();
  }
  return py::reinterpret_steal<py::object>(static_cast<PyObject*>(object));
}

/// What a table says of itself.
py::tuple describe(py::handle type) {
  const DLPackExchangeAPI& api = table_of(type);
  void* stream = &live_tensors;
  if (api.current_work_stream(1, 0, &stream) != 0) throw py::error_already_set();
  return py::make_tuple(api.header.version.major, api.header.version.minor,
                        api.header.prev_api == nullptr, stream == nullptr);
}

/// Hands a table an object of another type.
void take_with_table_of(py::handle type, py::handle object) {
  DLManagedTensorVersioned* managed = nullptr;
  if (table_of(type).managed_tensor_from_py_object_no_sync(object.ptr(), &managed) != 0)
    throw py::error_already_set();
  managed->deleter(managed);
}

}  // namespace

PYBIND11_MODULE(_exchange, module) {
  py::class_<Tensor> cls(module, "Tensor", py::dynamic_attr());
  cls.def(py::init([](std::vector<std::int32_t> elements, std::vector<std::int64_t> shape,
                      std::vector<std::int64_t> strides, std::uint64_t offset, bool readonly,
                      std::string misbehave) {
            return Tensor{std::make_shared<std::vector<std::int32_t>>(std::move(elements)),
                          std::move(shape),
                          std::move(strides),
                          offset,
                          readonly,
                          std::move(misbehave)};
          }),
          py::arg("elements"), py::arg("shape"), py::arg("strides"), py::arg("offset") = 0,
          py::arg("readonly") = false, py::arg("misbehave") = "");
  // What a consumer that knows no table would call.
  cls.def("__dlpack__", [](const Tensor&, const py::kwargs&) -> py::object {
    throw py::type_error("through the table, please");
  });
  cls.def("__dlpack_device__", [](const Tensor&) { return std::pair(1, 0); });
  cls.attr("__dlpack_c_exchange_api__") = py::capsule(&table, capsule_name);
  module.attr("plain_table") = py::capsule(&plain_table, capsule_name);
  module.attr("newer_table") = py::capsule(&newer_table, capsule_name);
  module.def("live_tensors", [] { return live_tensors; });
  module.def("take", take);
  module.def("take_with_table_of", take_with_table_of);
  module.def("make", make, py::arg("type"), py::arg("shape"), py::arg("code"), py::arg("bits"),
             py::arg("device_type") = 1, py::arg("fill") = 0, py::arg("readonly") = false);
  module.def("describe", describe);
}
