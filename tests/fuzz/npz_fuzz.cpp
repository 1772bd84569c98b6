#include "host/files/stored_file.hpp"
#include "tests/fuzz/file_checks.hpp"

namespace multibuffer::fuzz {

void npz(Bytes bytes) { check_reader(files::npz_reader, bytes); }

}  // namespace multibuffer::fuzz
