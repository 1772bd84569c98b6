#include "host/dataset/source.hpp"

#include <multibuffer/error.hpp>

#include "host/files/stored_file.hpp"
#include "host/support/process_lock.hpp"
#include "host/support/text.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <mutex>
#include <system_error>
#include <utility>

namespace multibuffer {
namespace {

std::string changed_text(const DatasetFile& file, const files::FileStamp& now) {
  if (now.bytes != file.stamp.bytes)
    return text(file.path, ": it has ", now.bytes, " bytes, and had ", file.stamp.bytes,
                " when the dataset was opened; open it again");
  return text(file.path, ": it was written to since the dataset was opened; open it again");
}

}  // namespace

DatasetSource::DatasetSource(Grid all, std::vector<DatasetFile> in, std::int64_t window_bytes,
                             std::shared_ptr<const void> keeper)
    : grid(std::move(all)), files(std::move(in)), window(window_bytes), owner(std::move(keeper)) {
  if (window < 0) throw Failure(Errc::invalid_argument, text("a window of ", window, " bytes"));
  if (window == 0) return;
  for (const DatasetFile& file : files)
    if (file.decoded_bytes > 0)
      throw Failure(Errc::invalid_argument,
                    text(file.path, ": it is decoded whole, and cannot be read in windows"));
}

files::InputFile DatasetSource::open(std::uint32_t file) const {
  const DatasetFile& known = files[file];
  check_unchanged(file);  // which says that it is gone, if it is
  files::InputFile input(known.path);
  if (input.stamp() != known.stamp)
    throw Failure(Errc::file_changed, changed_text(known, input.stamp()));
  return input;
}

const std::byte* DatasetSource::contents(std::uint32_t file) const {
  const DatasetFile& known = files[file];
  if (known.path.empty()) return nullptr;
  const std::lock_guard lock(process_mutex(ProcessLock::contents));
  if (contents_.empty()) contents_.resize(files.size());
  Contents& contents = contents_[file];
  if (known.decoded_bytes > 0) {
    if (!contents.decoded) {
      const files::InputFile before = open(file);
      const std::unique_ptr<files::StoredFile> stored = files::open_stored_file(known.path);
      if (stored->decoded_bytes() != known.decoded_bytes)
        throw Failure(Errc::file_changed, text(known.path, ": it holds ", stored->decoded_bytes(),
                                               " bytes, not ", known.decoded_bytes));
      contents.decoded = stored->decoded();
      before.check_unchanged();
    }
    return contents.decoded.get();
  }
  if (!contents.mapped) contents.mapped = std::make_unique<files::MappedFile>(open(file));
  return contents.mapped->bytes().data();
}

void DatasetSource::check_unchanged(std::uint32_t file) const {
  const DatasetFile& known = files[file];
  if (known.path.empty()) return;
  struct stat status {};
  if (stat(known.path.c_str(), &status) != 0)
    throw Failure(Errc::file_changed,
                  text(known.path, ": ", std::generic_category().message(errno)));
  if (const files::FileStamp now = files::FileStamp::of(status); now != known.stamp)
    throw Failure(Errc::file_changed, changed_text(known, now));
}

}  // namespace multibuffer
