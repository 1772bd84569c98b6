#pragma once

namespace multibuffer::cli {

/// From now on, an input that another program cuts while it is mapped ends this process with a
/// sentence that names the file, status 2, and nothing left of the output. (Touching what is gone
/// raises SIGBUS.) This is for a program, which owns its process: a library must not take signals.
void report_cut_files();

}  // namespace multibuffer::cli
