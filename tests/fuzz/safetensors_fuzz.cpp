#include "host/files/stored_file.hpp"
#include "tests/fuzz/file_checks.hpp"

namespace multibuffer::fuzz {

void safetensors(Bytes bytes) { check_reader(files::safetensors_reader, bytes); }

}  // namespace multibuffer::fuzz
