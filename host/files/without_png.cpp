#include "host/files/stored_file.hpp"

#ifndef MULTIBUFFER_PNG_REMEDY
#define MULTIBUFFER_PNG_REMEDY ""
#endif

namespace multibuffer::files {

const Reader png_reader{"PNG", ".png", "libpng-dev", nullptr, nullptr, MULTIBUFFER_PNG_REMEDY};

}  // namespace multibuffer::files
