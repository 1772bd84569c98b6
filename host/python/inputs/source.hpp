#pragma once

#include <multibuffer/dataset.hpp>
#include <multibuffer/device_array.hpp>
#include <multibuffer/device_buffer.hpp>

#include "host/python/inputs/exporter.hpp"
#include "host/python/support/owner.hpp"

#include <pybind11/pybind11.h>

#include <memory>
#include <string>
#include <vector>

namespace multibuffer::python {

/// An input, whatever it came from: the array it describes, and what keeps its memory there.
struct Source {
  ArrayView view;
  Owner owner;
  std::string device = "host";  ///< whose memory the leaves are in
  /// The exporter's own fields, for the reference, which follows the pointers; null where no
  /// `Py_buffer` can say it.
  std::shared_ptr<const Description> description;
  /// The block that the elements lie in, if it is the library's.
  std::shared_ptr<Memory> memory = nullptr;
  /// The exporter says that it has made a copy: to write there would be in vain.
  bool is_copy = false;
};

/// By what an input is read.
enum class Route {
  shortest,  ///< also by what C code offers: DLPack's exchange table, the fields of objects
  checked,   ///< as `shortest`; memory is proven to be readable before it is copied on the way
  protocols  ///< by Python's protocols alone, which each object is asked by: for the reference
};

/// `object` as one of these, the first that it is: our own arrays, an exporter of PEP 3118, of
/// DLPack, of `__cuda_array_interface__`, a column of Arrow's, or a list or tuple of these, at any
/// nesting. Throws
/// TypeError for anything else, and BufferError for an object whose elements are not what its
/// memory holds (claims.hpp).
Source source_of(pybind11::handle object, Route route = Route::shortest);

/// Tells whether `object` is one of these, lists apart. Throws nothing.
bool is_array(pybind11::handle object);

/// The elements of a dataset, each read from its file by itself, in memory of the host. Releases
/// the GIL.
DeviceBuffer reference_copy(const Dataset& dataset);

/// The array where it lies, uploaded without moving it; by `Route::checked` as a checked upload.
DeviceArray in_place(const Source& source, Route route = Route::shortest);

/// Its elements, dense in C order, in new memory of its device. Releases the GIL.
DeviceBuffer dense_copy(const Source& source, Route route = Route::shortest);
DeviceBuffer dense_copy(const DeviceArray& array);
/// Copies a result to new memory of the host, dense in C order. Releases the GIL.
DeviceBuffer fetched(const DeviceBuffer& buffer);

/// A result as an input again.
Source source_of(const DeviceBuffer& buffer);
/// An uploaded array as an input again: where it lies, read-only, or a dense copy of an array with
/// pointer tables.
Source source_of(const DeviceArray& array);

/// An export as an input; its owner is whoever holds it.
Source source_of_export(const Py_buffer& buffer);

}  // namespace multibuffer::python
