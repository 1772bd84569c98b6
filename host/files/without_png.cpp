#include "host/files/stored_file.hpp"

namespace multibuffer::files {

const Reader png_reader{"PNG", ".png", "libpng-dev", nullptr, nullptr};

}  // namespace multibuffer::files
