#pragma once

namespace multibuffer::cli {

/// Lists the devices on standard output, and the reason if there is no CUDA device. Returns the
/// exit status.
int run_devices();

}  // namespace multibuffer::cli
