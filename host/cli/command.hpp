#pragma once

namespace multibuffer::cli {

/// The command `multibuffer`. Returns its exit status: 0 done, 1 not what the reference says, 2 bad
/// usage or input, 128 and the signal's number if it was stopped.
int run(int argc, const char* const* argv);

}  // namespace multibuffer::cli
