#include "host/files/stored_file.hpp"
#include "tests/fuzz/file_checks.hpp"

namespace multibuffer::fuzz {

void npy(Bytes bytes) { check_reader(files::npy_reader, bytes); }

}  // namespace multibuffer::fuzz
