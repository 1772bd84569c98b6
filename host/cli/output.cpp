#include "host/cli/output.hpp"

#include <multibuffer/error.hpp>

#include "host/files/npy.hpp"
#include "host/files/png.hpp"
#include "host/support/text.hpp"

#include <filesystem>
#include <system_error>
#include <utility>

namespace multibuffer::cli {
namespace {

FileKind kind_of_output(const std::string& path, const ResultType& type) {
  std::optional<FileKind> kind = kind_of_name(path);
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  // Devices, pipes and descriptors may have any name. Directories are refused later.
  const bool is_regular =
      std::filesystem::is_regular_file(status) && !files::descriptor_of_name(path);
  if (!kind && std::filesystem::exists(status) && !is_regular) kind = FileKind::npy;
  if (!kind) {
    throw Failure(Errc::invalid_argument,
                  text("--out ", path, ": the name says the kind of file, .npy or .png"));
  }
  if (kind == FileKind::png) {
    if (type.order == Order::F) {
      throw Failure(Errc::invalid_argument,
                    text("--out ", path, ": --order F is for .npy; a PNG has one order"));
    }
    files::check_fits_png(type.shape, type.format);
  }
  return *kind;
}

}  // namespace

std::int64_t ResultType::nbytes() const {
  std::int64_t bytes = format.itemsize();
  for (const std::int64_t extent : shape) bytes *= extent;
  return bytes;
}

OutputFile::OutputFile(const std::string& path, ResultType type)
    : kind_(kind_of_output(path, type)), type_(std::move(type)), file_(path) {}

void OutputFile::write(std::span<const std::byte> bytes, const Watch& watch) {
  if (kind_ == FileKind::png) {
    files::write_png(file_, type_.shape, type_.format, bytes, watch);
  } else {
    if (type_.has_no_bytes) bytes = {};
    files::write_npy(file_, type_.descr, type_.shape, type_.order == Order::F, bytes, watch);
  }
  file_.commit();
}

}  // namespace multibuffer::cli
