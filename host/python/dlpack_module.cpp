#include <multibuffer/dlpack.hpp>
#include <multibuffer/error.hpp>

#include "host/python/hand_on.hpp"
#include "host/python/inputs/source.hpp"
#include "host/python/module.hpp"
#include "host/python/properties.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/support/text.hpp"
#include "host/upload/internals.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace py = pybind11;

// The rules are those of the array API standard and of DLPack's Python specification. Nothing that
// a capsule or its deleter holds is a Python object, so that a consumer may let go on any thread.

namespace multibuffer::python {
namespace {

/// Names a device in DLPack's terms: its type and its number.
using Place = std::pair<std::int64_t, std::int64_t>;
Place place_of(const Device& device) {
  const bool on_host = device.kind() == DeviceKind::host;
  return {on_host ? dlpack::device_cpu : dlpack::device_cuda, device.ordinal()};
}

/// Throws unless `stream` is one that the device has.
void check_stream(const Device& device, const py::object& stream) {
  if (stream.is_none()) return;
  if (device.kind() == DeviceKind::host)
    throw py::value_error("__dlpack__: an array on the host has no streams; stream must be None");
  const std::int64_t number = long_argument(stream, "__dlpack__: stream");
  if (number == 0)
    throw py::value_error(
        "__dlpack__: stream 0 is ambiguous; 1 is the legacy default stream, 2 "
        "the default stream per thread");
  if (number < -1) throw py::value_error(text("__dlpack__: ", number, " is no stream"));
}

/// The memory that the consumer gets, and its DLPack flags.
struct Exported {
  DeviceBuffer buffer;
  std::uint64_t flags = 0;
};

template <class Self>
DeviceBuffer copy_of(const Self& array) {
  if constexpr (std::is_same_v<Self, DeviceArray>)
    return dense_copy(array);
  else
    return dense_copy(source_of(array));
}

/// Returns the array itself, a copy of it, or a copy on the host.
template <class Self>
Exported exported(const Self& array, const py::object& dl_device, std::optional<bool> copy,
                  [[maybe_unused]] bool says_readonly) {
  const bool may_copy = copy.value_or(true);
  const Place place = place_of(array.device());
  const Place wanted =
      dl_device.is_none() ? place : pair_argument(dl_device, "__dlpack__: dl_device");
  if (wanted == place) {
    if (copy.value_or(false)) return {copy_of(array), dlpack::flag_is_copied};
    if constexpr (std::is_same_v<Self, DeviceBuffer>) {
      return {array};
    } else {
      HandedOn given = handed_on<py::buffer_error>(array);
      if (given.may_be_protected && !says_readonly)
        throw py::buffer_error(
            "__dlpack__: the array is read-only memory of somebody else's, which a consumer of "
            "DLPack before version 1.0 could write to: pass numpy.asarray() of it, or copy()");
      return {std::move(given.buffer), dlpack::flag_read_only};
    }
  }
  if (wanted.first != dlpack::device_cpu)
    throw py::buffer_error(text("__dlpack__: an array on ", array.device().name(),
                                " cannot be given to device (", wanted.first, ", ", wanted.second,
                                ")"));
  if (!may_copy)
    throw py::buffer_error("__dlpack__: an array on " + array.device().name() +
                           " cannot go to the host without a copy");
  const std::optional<HandedOn> given = find_handed_on(array);
  const DeviceBuffer buffer = given ? given->buffer : copy_of(array);
  return {fetched(buffer), dlpack::flag_is_copied};
}

/// Returns the buffer as consumers get it who cannot be told that it is read-only.
DeviceBuffer writable(const DeviceBuffer& buffer) {
  if (!buffer.readonly()) return buffer;
  return make_buffer({.device = buffer.device(),
                      .format = buffer.format(),
                      .shape = buffer.shape(),
                      .strides = buffer.strides(),
                      .data = const_cast<std::byte*>(std::as_const(buffer).data()),
                      .memory = memory_of(buffer),
                      .stream = buffer.stream(),
                      .pending = nullptr,
                      .owner = owner_of(buffer)});
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

template <class Self>
py::capsule to_dlpack(const Self& array, const py::object& stream, const py::object& max_version,
                      const py::object& dl_device, std::optional<bool> copy) {
  check_stream(array.device(), stream);
  const bool versioned =
      !max_version.is_none() &&
      pair_argument(max_version, "__dlpack__: max_version").first >= dlpack::version.major;
  const auto [given, flags] = exported(array, dl_device, copy, versioned);
  if (const std::string why = misalignment(given); !why.empty())
    throw py::buffer_error("__dlpack__: " + why);
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
      return capsule_of(dlpack::to_legacy(writable(given)), "dltensor", [](PyObject* capsule) {
        drop<dlpack::ManagedTensor>(capsule, "dltensor");
      });
    return capsule_of(dlpack::to_versioned(given, flags), "dltensor_versioned",
                      [](PyObject* capsule) {
                        drop<dlpack::ManagedTensorVersioned>(capsule, "dltensor_versioned");
                      });
  } catch (const Error& error) {
    // The standard's exception for what DLPack cannot represent.
    throw py::buffer_error(error.what());
  }
}

template <class Self>
py::tuple dlpack_device(const Self& array) {
  const auto [type, number] = place_of(array.device());
  return to_tuple(std::array<std::int64_t, 2>{type, number});
}

}  // namespace

template <class Self>
void bind_dlpack(Class<Self>& cls) {
  cls.template method<to_dlpack<Self>>(
      "__dlpack__($self, *, stream=None, max_version=None, dl_device=None, copy=None)",
      "The array as a DLPack capsule that shares its memory: a versioned one if max_version\n"
      "is (1, 0) or later, else a legacy one. BufferError for elements that DLPack has no\n"
      "type for (native() converts a foreign byte order), for strides that are not whole\n"
      "elements, for negative ones in a legacy capsule, and for a DeviceArray with pointer\n"
      "tables; copy=True takes all strides and tables. A DeviceArray is read-only: a versioned "
      "capsule says so. A legacy one cannot, and\n"
      "is refused for an array in place on the host, whose memory may be write-protected.\n"
      "Work that the consumer enqueues on its stream comes after the work that fills the array;\n"
      "the host does not wait. The memory is used again only after the work that is on that\n"
      "stream when the capsule is let go of. Work on any other stream is for\n"
      "multibuffer.access() to declare.");
  cls.template method<dlpack_device<Self>>(
      "__dlpack_device__($self)",
      "DLPack's device type and number: (1, 0) for the host, (2, N) for cuda:N.");
}

template void bind_dlpack(Class<DeviceBuffer>& cls);
template void bind_dlpack(Class<DeviceArray>& cls);

}  // namespace multibuffer::python
