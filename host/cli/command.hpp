#pragma once

namespace multibuffer::cli {

/// Runs the command `multibuffer`. Returns its exit status: 0 done, 1 different from the reference,
/// 2 bad usage or input, 128 plus the signal's number if it was stopped.
int run(int argc, const char* const* argv);

}  // namespace multibuffer::cli
