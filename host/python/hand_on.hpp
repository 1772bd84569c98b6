#pragma once

#include <multibuffer/device_array.hpp>
#include <multibuffer/device_buffer.hpp>

#include "host/python/support/class.hpp"

#include <pybind11/pybind11.h>

#include <optional>
#include <string>
#include <utility>

// Arrays as other packages take them: by the buffer protocol, NumPy's and Numba's array interfaces,
// and DLPack. A `DeviceBuffer` hands on itself. A `DeviceArray` without pointer tables hands on its
// memory by whatever strides it has, read-only, since rows may be shared; no protocol can say an
// array with pointer tables.

namespace multibuffer::python {

/// The memory that an array hands on.
struct HandedOn {
  DeviceBuffer buffer;
  bool is_readonly = false;
  /// The memory may be write-protected: it is somebody else's, on the host.
  bool may_be_protected = false;
};

/// Returns what the array hands on; nothing if it goes through pointer tables.
std::optional<HandedOn> find_handed_on(const DeviceBuffer& buffer);
std::optional<HandedOn> find_handed_on(const DeviceArray& array);

/// Says why an array cannot be handed on, with advice.
std::string refusal(const DeviceArray& array);
inline std::string refusal(const DeviceBuffer& /*buffer*/) { return {}; }

/// Returns what the array hands on. Throws `Exception`, with advice, if it goes through tables.
template <class Exception, class Self>
HandedOn handed_on(const Self& array) {
  std::optional<HandedOn> found = find_handed_on(array);
  if (!found) throw Exception(refusal(array));
  return *std::move(found);
}

/// Says why a kernel could not load the elements of an array on a GPU, whose fields of packed
/// structs may lie at any address; empty if it can.
std::string misalignment(const DeviceBuffer& buffer);

/// Waits, without the GIL, for the work that fills an array.
void synchronize(const DeviceBuffer& buffer);

/// Adds the buffer protocol, `__array__` and the array interfaces.
template <class Self>
void bind_hand_on(Class<Self>& cls);
/// Adds the DLPack methods.
template <class Self>
void bind_dlpack(Class<Self>& cls);
/// Adds `__dlpack_c_exchange_api__`, an attribute of the type itself.
void add_exchange_table(PyTypeObject* type);

}  // namespace multibuffer::python
