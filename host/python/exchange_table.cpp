#include <multibuffer/dlpack.hpp>
#include <multibuffer/error.hpp>

#include "interrupt.hpp"
#include "module.hpp"

#include <exception>
#include <new>

namespace py = pybind11;

// DLPack's C exchange table of DeviceBuffer. Its functions are called by C code with the GIL held,
// but for `allocate`, and let no C++ exception through.

namespace multibuffer::python {
namespace {

/// Runs `work`; what it throws is the thread's Python exception, and the result -1.
template <class Work>
int guarded(const Work& work) {
  try {
    work();
    return 0;
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const py::builtin_exception& error) {
    error.set_error();
  } catch (const Error& error) {
    const bool no_memory = error.code() == Errc::out_of_device_memory;
    // BufferError is the standard's exception for what DLPack cannot represent.
    PyErr_SetString(no_memory ? PyExc_MemoryError : PyExc_BufferError, error.what());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return -1;
}

/// CUDA's legacy default stream, by its explicit name.
const StreamHandle legacy_stream = reinterpret_cast<StreamHandle>(std::intptr_t{1});

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

int from_object(void* object, dlpack::ManagedTensorVersioned** out) {
  return guarded([&] {
    const py::handle handle(static_cast<PyObject*>(object));
    if (!py::isinstance<DeviceBuffer>(handle))
      throw py::type_error("this exchange table is for objects of type multibuffer.DeviceBuffer");
    const auto& buffer = handle.cast<const DeviceBuffer&>();
    // `current_stream` is the legacy one: what the consumer enqueues there comes after our work.
    without_gil([&](const Watch&) {
      buffer.order_before(legacy_stream);
      return true;
    });
    *out = dlpack::to_versioned(buffer);
  });
}

int to_object(dlpack::ManagedTensorVersioned* tensor, void** object) {
  return guarded([&] { *object = py::cast(dlpack::take(tensor)).release().ptr(); });
}

int current_stream(std::int32_t, std::int32_t, void** out) {
  *out = nullptr;
  return 0;
}

constexpr dlpack::ExchangeTable table{.header = {dlpack::exchange_version, nullptr},
                                      .allocate = allocate,
                                      .from_object = from_object,
                                      .to_object = to_object,
                                      // Our strides are in bytes, and DLPack's have no place here.
                                      .borrow = nullptr,
                                      .current_stream = current_stream};

}  // namespace

void bind_exchange_table(py::class_<DeviceBuffer>& buffer) {
  buffer.attr("__dlpack_c_exchange_api__") = py::capsule(&table, "dlpack_exchange_api");
}

}  // namespace multibuffer::python
