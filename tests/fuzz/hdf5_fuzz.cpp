#include "host/files/stored_file.hpp"
#include "tests/fuzz/file_checks.hpp"

namespace multibuffer::fuzz {

void hdf5(Bytes bytes) { check_reader(files::hdf5_reader, bytes); }

}  // namespace multibuffer::fuzz
