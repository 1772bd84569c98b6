#pragma once

#include <multibuffer/dlpack.hpp>

#include "host/python/inputs/source.hpp"

#include <pybind11/pybind11.h>

#include <memory>

namespace multibuffer::python {

/// The use of the memory: to be read, or to be written.
enum class Access { read, write };

/// From an object of somebody else's that has one of these, the first that gives its memory: the
/// buffer protocol, unless the memory is a GPU's; DLPack; `__cuda_array_interface__`. Throws what
/// the object raises; BufferError that says both, if the buffer protocol and another refuse, and
/// for an object whose elements are not what its memory holds.
Source source_from_interfaces(pybind11::handle object, Access access, Route route);

/// Tells whether `object` is asked by the buffer protocol first.
bool is_exporter(pybind11::handle object);
/// Tells whether there is something else to ask it by.
bool offers_more_than_buffer(pybind11::handle object);

/// Returns what `__dlpack_device__()` says. Throws TypeError or ValueError if it is no device.
dlpack::Device dlpack_device_of(pybind11::handle object);

/// From an object with `__dlpack__` and `__dlpack_device__`. Returns when the exporter's work on
/// the memory is done.
Source source_from_dlpack(pybind11::handle object, Route route);

/// The table by which C code takes tensors from objects of a type: quicker than `__dlpack__` by the
/// Python code it spares. nullptr if the type has none of a version that is understood. That of a
/// base class is not the type's: a subclass that gives its memory otherwise, or has none, says so
/// in its own `__dlpack__`.
const dlpack::ExchangeTable* exchange_table_of(PyTypeObject* type);

/// A tensor of such an object, which has no word for its claims (claims.hpp). Work on it may still
/// be under way: see `wait_for_tensors`.
std::shared_ptr<const dlpack::ManagedTensorVersioned> tensor_of(const dlpack::ExchangeTable& table,
                                                                pybind11::handle object);
Source source_of_tensor(std::shared_ptr<const dlpack::ManagedTensorVersioned> tensor);

/// Waits for the work on tensors taken so far of this device.
void wait_for_tensors(const dlpack::ExchangeTable& table, const dlpack::Device& device);

/// From an object with `__cuda_array_interface__`, version 2 or 3, after the work on its stream.
Source source_from_cuda_interface(pybind11::handle object);
/// Tells whether that says that the memory must not be written to.
bool cuda_interface_is_readonly(pybind11::handle object);

}  // namespace multibuffer::python
