#include "host/files/input_file.hpp"

#include <multibuffer/error.hpp>

#include "host/support/text.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace multibuffer::files {

FileStamp FileStamp::of(const struct stat& status) noexcept {
  return {status.st_size, status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
}

void throw_unreadable(const std::string& path, int error) {
  throw Failure(Errc::file_unreadable, text(path, ": ", std::generic_category().message(error)));
}

InputFile::InputFile(const std::string& path)
    : path_(path),
      // Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
      descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (descriptor_ < 0) throw_unreadable(path, errno);
  const auto refuse = [&](const auto& how) {
    close(descriptor_);
    how();
  };
  if (fstat(descriptor_, &status_) != 0)
    refuse([&, error = errno] { throw_unreadable(path, error); });
  if (S_ISDIR(status_.st_mode)) refuse([&] { throw_unreadable(path, EISDIR); });
  if (!S_ISREG(status_.st_mode))
    refuse([&] {
      throw Failure(Errc::file_unreadable, text(path,
                                                ": not a regular file, so it cannot be read "
                                                "by position; save it to a file first"));
    });
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      status_(other.status_) {}

InputFile::~InputFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

void InputFile::read(std::int64_t offset, std::span<std::byte> to) const {
  for (std::size_t done = 0; done < to.size();) {
    const ssize_t count = pread(descriptor_, to.data() + done, to.size() - done,
                                static_cast<off_t>(offset) + static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_unreadable(path_, errno);
    if (count == 0)
      throw Failure(Errc::file_changed,
                    text(path_, ": it ends at byte ", offset + static_cast<std::int64_t>(done),
                         ", and had ", bytes(), " bytes when it was opened"));
    done += static_cast<std::size_t>(count);
  }
}

void InputFile::check_unchanged() const {
  struct stat now {};
  if (fstat(descriptor_, &now) != 0) throw_unreadable(path_, errno);
  if (FileStamp::of(now) != stamp())
    throw Failure(Errc::file_changed,
                  text(path_, ": another program has changed it while it was read"));
}

}  // namespace multibuffer::files
