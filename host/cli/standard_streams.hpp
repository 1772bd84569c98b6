#pragma once

#include <iosfwd>
#include <optional>
#include <string>

namespace multibuffer::cli {

/// Occupies those of the descriptors 0 to 2 that the process was started without, by ones that can
/// be neither read nor written. Otherwise the next file to be opened would be standard output, and
/// have in it what the command says. Call it before any file is opened.
void occupy_standard_descriptors();

/// Where the command says what it did, if its result goes to the file `out`: standard output; but
/// standard error if that file is standard output, so that the result stays alone there; and
/// nowhere if there is no standard output.
std::ostream& summary_stream(const std::optional<std::string>& out);

/// Throws `file_unwritable`, with the system's reason, unless all that was said on standard output
/// has arrived there.
void flush_standard_output();

}  // namespace multibuffer::cli
