#pragma once

#include <optional>
#include <string>

namespace multibuffer::cli {

enum class FileKind { npy, png };

/// Returns a file's kind by the end of its name, .npy or .png in any case; nothing for other names.
std::optional<FileKind> kind_of_name(const std::string& path);

}  // namespace multibuffer::cli
