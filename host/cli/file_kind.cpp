#include "host/cli/file_kind.hpp"

#include <filesystem>

namespace multibuffer::cli {

std::optional<FileKind> kind_of_name(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  for (char& c : ending) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (ending == ".npy") return FileKind::npy;
  if (ending == ".png") return FileKind::png;
  return {};
}

}  // namespace multibuffer::cli
