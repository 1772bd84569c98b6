#pragma once

namespace multibuffer::cli {

/// Lists the devices on standard output and, if there is no CUDA device, says why. Returns the exit
/// status.
int run_devices();

}  // namespace multibuffer::cli
