#include "host/files/stored_file.hpp"

namespace multibuffer::files {

const Reader hdf5_reader{"HDF5", ".h5", "libhdf5-dev", nullptr, nullptr};

}  // namespace multibuffer::files
