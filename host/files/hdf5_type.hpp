#pragma once

#include "host/files/npy_type.hpp"

#include <hdf5.h>

#include <cstdint>
#include <vector>

namespace multibuffer::files::hdf5 {

/// The elements of a dataset.
struct ElementType {
  NpyType type;
  /// Elements that are arrays themselves: the axes behind those of the dataset.
  std::vector<std::int64_t> extents;
};

/// Reads a type of HDF5 as h5py does: numbers of either byte order; enums as their integers, and
/// the enum of FALSE and TRUE as a bool; a compound of `r` and `i` as a complex number, others as
/// structs with their padding; strings of a fixed length; opaque bytes, which h5py's tag makes
/// dates. Throws `NpyTypeError` with what is wrong. The caller has libhdf5 (`Hold`).
ElementType read_type(hid_t type);

}  // namespace multibuffer::files::hdf5
