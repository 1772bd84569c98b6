#include <multibuffer/dlpack.hpp>
#include <multibuffer/error.hpp>

#include "host/python/inputs/source.hpp"
#include "host/python/module.hpp"
#include "host/python/properties.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/support/text.hpp"

#include <array>
#include <optional>
#include <utility>

namespace py = pybind11;

// The rules are those of the array API standard and of DLPack's Python specification. Nothing that
// a capsule or its deleter holds is a Python object, so that a consumer may let go on any thread.

namespace multibuffer::python {
namespace {

bool on_host(const DeviceBuffer& buffer) { return buffer.device().kind() == DeviceKind::host; }

/// Throws unless `stream` is one that the device has.
void check_stream(const DeviceBuffer& buffer, const py::object& stream) {
  if (stream.is_none()) return;
  if (on_host(buffer))
    throw py::value_error("__dlpack__: an array on the host has no streams; stream must be None");
  const std::int64_t number = long_argument(stream, "__dlpack__: stream");
  if (number == 0)
    throw py::value_error(
        "__dlpack__: stream 0 is ambiguous; 1 is the legacy default stream, 2 "
        "the default stream per thread");
  if (number < -1) throw py::value_error(text("__dlpack__: ", number, " is no stream"));
}

/// What the consumer gets: the buffer itself, a copy of it, or one on the host.
struct Exported {
  DeviceBuffer buffer;
  bool copied = false;
};

Exported exported(const DeviceBuffer& buffer, const py::object& dl_device,
                  std::optional<bool> copy) {
  const bool must_copy = copy.value_or(false);
  const bool may_copy = copy.value_or(true);
  const dlpack::Device here = dlpack::device_of(buffer);
  using Place = std::pair<std::int64_t, std::int64_t>;
  Place wanted{here.type, here.id};
  if (!dl_device.is_none()) wanted = pair_argument(dl_device, "__dlpack__: dl_device");
  if (wanted == Place{here.type, here.id}) {
    if (!must_copy) return {buffer};
    return {dense_copy(source_of(buffer)), true};
  }
  if (wanted.first != dlpack::device_cpu)
    throw py::buffer_error(text("__dlpack__: an array on ", buffer.device().name(),
                                " cannot be given to device (", wanted.first, ", ", wanted.second,
                                ")"));
  if (!may_copy)
    throw py::buffer_error("__dlpack__: an array on " + buffer.device().name() +
                           " cannot go to the host without a copy");
  return {without_gil([&](const Watch&) {
            const std::vector<std::byte> bytes = buffer.to_host();
            return DeviceBuffer::from_host(Device::host(), bytes.data(), buffer.shape(),
                                           buffer.format());
          }),
          true};
}

/// A capsule whose tensor is let go if nobody has taken it.
template <class Managed>
py::capsule capsule_of(Managed* managed, const char* name, PyCapsule_Destructor destructor) {
  PyObject* capsule = PyCapsule_New(managed, name, destructor);
  if (!capsule) {
    managed->deleter(managed);
    throw py::error_already_set();
  }
  return py::reinterpret_steal<py::capsule>(capsule);
}

template <class Managed>
void drop(PyObject* capsule, const char* name) {
  if (!PyCapsule_IsValid(capsule, name)) return;  // taken over, and renamed
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, name));
  managed->deleter(managed);
}

py::capsule to_dlpack(const DeviceBuffer& buffer, const py::object& stream,
                      const py::object& max_version, const py::object& dl_device,
                      std::optional<bool> copy) {
  check_stream(buffer, stream);
  const bool versioned =
      !max_version.is_none() &&
      pair_argument(max_version, "__dlpack__: max_version").first >= dlpack::version.major;
  const auto [given, copied] = exported(buffer, dl_device, copy);
  // DLPack's numbers for CUDA's default streams are CUDA's own names for them; none given is the
  // legacy one, and -1 says that the consumer needs no order: its work is taken to be there, too.
  const std::int64_t consumer = stream.is_none()
                                    ? static_cast<std::int64_t>(StreamRef::legacy().number())
                                    : long_argument(stream, "__dlpack__: stream");
  if (consumer == -1)
    given.hand_over_unordered(StreamRef::legacy());
  else
    without_gil([&buffer = given, consumer](const Watch&) {
      buffer.order_before(StreamRef::from_number(static_cast<std::uintptr_t>(consumer)));
      return true;
    });
  try {
    if (!versioned)
      return capsule_of(dlpack::to_legacy(given), "dltensor", [](PyObject* capsule) {
        drop<dlpack::ManagedTensor>(capsule, "dltensor");
      });
    return capsule_of(dlpack::to_versioned(given, copied ? dlpack::flag_is_copied : 0),
                      "dltensor_versioned", [](PyObject* capsule) {
                        drop<dlpack::ManagedTensorVersioned>(capsule, "dltensor_versioned");
                      });
  } catch (const Error& error) {
    // The standard's exception for what DLPack cannot represent.
    throw py::buffer_error(error.what());
  }
}

py::tuple dlpack_device(const DeviceBuffer& buffer) {
  const dlpack::Device device = dlpack::device_of(buffer);
  return to_tuple(std::array<std::int64_t, 2>{device.type, device.id});
}

}  // namespace

void bind_dlpack(Class<DeviceBuffer>& buffer) {
  buffer.method<to_dlpack>(
      "__dlpack__($self, *, stream=None, max_version=None, dl_device=None, copy=None)",
      "The array as a DLPack capsule that shares its memory: a versioned one if max_version\n"
      "is (1, 0) or later, else a legacy one. BufferError for elements that DLPack has no\n"
      "type for; native() converts a foreign byte order. Work that the consumer enqueues on its\n"
      "stream comes after the work that fills the array; the host does not wait. The memory is "
      "used\n"
      "again only after the work that is on that stream when the capsule is let go of. Work on "
      "any\n"
      "other stream is for multibuffer.access() to declare.");
  buffer.method<dlpack_device>(
      "__dlpack_device__($self)",
      "DLPack's device type and number: (1, 0) for the host, (2, N) for cuda:N.");
}

}  // namespace multibuffer::python
