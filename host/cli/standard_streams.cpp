#include "host/cli/standard_streams.hpp"

#include <multibuffer/error.hpp>

#include "host/files/whole_file.hpp"
#include "host/support/text.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>
#include <system_error>

namespace multibuffer::cli {
namespace {

bool has_standard_output = true;

bool is_standard_output(const std::string& path) {
  if (files::descriptor_of_name(path) == STDOUT_FILENO) return true;
  struct stat file {};
  struct stat output {};
  return stat(path.c_str(), &file) == 0 && fstat(STDOUT_FILENO, &output) == 0 &&
         file.st_dev == output.st_dev && file.st_ino == output.st_ino;
}

}  // namespace

void occupy_standard_descriptors() {
  for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(number, F_GETFD) >= 0) continue;
    // Takes the lowest free descriptor, which is this one. The root directory always exists.
    [[maybe_unused]] const int opened = open("/", O_PATH | O_DIRECTORY);
    if (number == STDOUT_FILENO) has_standard_output = false;
  }
}

std::ostream& summary_stream(const std::optional<std::string>& out) {
  static std::ostream nowhere(nullptr);
  if (!out) return std::cout;
  if (!has_standard_output) return nowhere;
  return is_standard_output(*out) ? std::cerr : std::cout;
}

TextStyle text_style(const std::ostream& stream) {
  const int descriptor = &stream == &std::cerr ? STDERR_FILENO : STDOUT_FILENO;
  return isatty(descriptor) == 1 ? TextStyle::aligned : TextStyle::plain;
}

void flush_standard_output() {
  errno = 0;
  if (std::cout.flush()) return;
  throw Failure(Errc::file_unwritable,
                text("standard output: ", std::generic_category().message(errno)));
}

}  // namespace multibuffer::cli
