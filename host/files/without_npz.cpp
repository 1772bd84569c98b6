#include "host/files/stored_file.hpp"

namespace multibuffer::files {

const Reader npz_reader{"NPZ", ".npz", "libminizip-dev", nullptr, nullptr};

}  // namespace multibuffer::files
