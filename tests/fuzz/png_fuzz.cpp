#include "host/files/stored_file.hpp"
#include "tests/fuzz/file_checks.hpp"

namespace multibuffer::fuzz {

void png(Bytes bytes) { check_reader(files::png_reader, bytes); }

}  // namespace multibuffer::fuzz
