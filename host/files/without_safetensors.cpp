#include "host/files/stored_file.hpp"

namespace multibuffer::files {

const Reader safetensors_reader{"safetensors", ".safetensors", "nlohmann-json3-dev", nullptr,
                                nullptr};

}  // namespace multibuffer::files
