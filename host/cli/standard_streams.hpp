#pragma once

#include <multibuffer/explain.hpp>

#include <iosfwd>
#include <optional>
#include <string>

namespace multibuffer::cli {

/// Opens those of the descriptors 0 to 2 that the process was started without, so that they can be
/// neither read nor written. Otherwise the next file to be opened would become standard output and
/// receive the summary. Call it before any file is opened.
void occupy_standard_descriptors();

/// Returns the stream for the summary of a job whose result goes to the file `out`: standard
/// output; standard error if that file is standard output; a stream to nowhere if there is no
/// standard output.
std::ostream& summary_stream(const std::optional<std::string>& out);

/// How explanations are written to one of the standard streams: aligned on a terminal, plain in a
/// pipe or a file.
TextStyle text_style(const std::ostream& stream);

/// Flushes standard output. Throws `file_unwritable`, with the system's reason, unless all of the
/// text has arrived there.
void flush_standard_output();

}  // namespace multibuffer::cli
