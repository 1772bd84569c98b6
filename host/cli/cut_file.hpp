#pragma once

namespace multibuffer::cli {

/// Installs a handler of SIGBUS, which touching the missing part of a mapped file raises. If
/// another program cuts an input, the process then ends with a sentence that names the file, status
/// 2, and without output. Only a program may do so, because it owns its process; a library may not.
void report_cut_files();

}  // namespace multibuffer::cli
