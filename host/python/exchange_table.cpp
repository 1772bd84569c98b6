#include <multibuffer/dlpack.hpp>
#include <multibuffer/error.hpp>

#include "host/python/hand_on.hpp"
#include "host/python/module.hpp"
#include "host/python/support/interrupt.hpp"

#include <exception>
#include <new>
#include <string>

namespace py = pybind11;

// DLPack's C exchange table of DeviceBuffer and DeviceArray. Its functions are called by C code
// with the GIL held, but for `allocate`, and let no C++ exception through.

namespace multibuffer::python {
namespace {

/// Runs `work`; what it throws is the thread's Python exception, and the result -1. BufferError is
/// the standard's exception for what DLPack cannot represent.
template <class Work>
int guarded_by_status(const Work& work) {
  try {
    work();
    return 0;
  } catch (const Error& error) {
    const bool no_memory = error.code() == Errc::out_of_device_memory;
    set_python_error(no_memory ? PyExc_MemoryError : PyExc_BufferError, error.what());
  } catch (...) {
    set_python_error();
  }
  return -1;
}

int allocate(dlpack::Tensor* prototype, dlpack::ManagedTensorVersioned** out, void* context,
             void (*set_error)(void* context, const char* kind, const char* message)) {
  try {
    *out = dlpack::allocate(*prototype);
    return 0;
  } catch (const Error& error) {
    const bool no_memory = error.code() == Errc::out_of_device_memory;
    set_error(context, no_memory ? "MemoryError" : "BufferError", error.what());
  } catch (const std::bad_alloc&) {
    set_error(context, "MemoryError", "no memory on the host");
  } catch (const std::exception& error) {
    set_error(context, "RuntimeError", error.what());
  }
  return -1;
}

HandedOn handed_on_by(py::handle object) {
  if (const auto* const buffer = object_in<const DeviceBuffer>(object))
    return {*buffer, buffer->readonly()};
  if (const auto* const array = object_in<const DeviceArray>(object))
    return handed_on<py::buffer_error>(*array);
  throw py::type_error(
      "this exchange table is for objects of type multibuffer.DeviceBuffer or DeviceArray");
}

int from_object(void* object, dlpack::ManagedTensorVersioned** out) {
  return guarded_by_status([&] {
    const auto [buffer, is_readonly, _] = handed_on_by(static_cast<PyObject*>(object));
    if (const std::string why = misalignment(buffer); !why.empty()) throw py::buffer_error(why);
    // `current_stream` is the legacy one: what the consumer enqueues there comes after our work.
    without_gil([&buffer = buffer](const Watch&) {
      buffer.order_before(StreamRef::legacy());
      return true;
    });
    *out = dlpack::to_versioned(buffer, is_readonly ? dlpack::flag_read_only : 0);
  });
}

int to_object(dlpack::ManagedTensorVersioned* tensor, void** object) {
  return guarded_by_status([&] { *object = wrap(dlpack::take(tensor)).release().ptr(); });
}

int current_stream(std::int32_t, std::int32_t, void** out) {
  *out = nullptr;
  return 0;
}

constexpr dlpack::ExchangeTable exchange_table{
    .header = {dlpack::exchange_version, nullptr},
    .allocate = allocate,
    .from_object = from_object,
    .to_object = to_object,
    // Our strides are in bytes, and DLPack's have no place here.
    .borrow = nullptr,
    .current_stream = current_stream};

}  // namespace

void add_exchange_table(PyTypeObject* type) {
  const auto capsule = py::reinterpret_steal<py::object>(PyCapsule_New(
      const_cast<dlpack::ExchangeTable*>(&exchange_table), "dlpack_exchange_api", nullptr));
  // Past `setattr`, which the type refuses: it is immutable.
  if (!capsule ||
      PyDict_SetItemString(type->tp_dict, "__dlpack_c_exchange_api__", capsule.ptr()) != 0)
    throw py::error_already_set();
  PyType_Modified(type);
}

}  // namespace multibuffer::python
