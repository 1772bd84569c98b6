#include "host/files/stored_file.hpp"

#ifndef MULTIBUFFER_HDF5_REMEDY
#define MULTIBUFFER_HDF5_REMEDY ""
#endif

namespace multibuffer::files {

const Reader hdf5_reader{"HDF5", ".h5", "libhdf5-dev", nullptr, nullptr, MULTIBUFFER_HDF5_REMEDY};

}  // namespace multibuffer::files
