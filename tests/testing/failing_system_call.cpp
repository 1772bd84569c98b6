#include "tests/testing/failing_system_call.hpp"

#include "tests/testing/own_work.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>

namespace multibuffer::testing {
namespace {

constexpr std::int64_t none = -1;
std::atomic<std::int64_t> failing = none, seen_calls = 0;
std::atomic<const char*> failed = nullptr;

bool fails(const char* call, int error) {
  if (OwnWork::is_under_way() || failing < 0 || seen_calls++ != failing) return false;
  failed = call;
  errno = error;
  return true;
}

}  // namespace

FailingSystemCall::FailingSystemCall(std::int64_t number) {
  seen_calls = 0;
  failed = nullptr;
  failing = number;
}

FailingSystemCall::~FailingSystemCall() { failing = none; }

std::string FailingSystemCall::call() const {
  const char* const call = failed;
  return call ? call : "";
}

std::int64_t FailingSystemCall::seen() const { return seen_calls; }

}  // namespace multibuffer::testing

using multibuffer::testing::fails;

extern "C" {

// NOLINTBEGIN(bugprone-reserved-identifier): the linker's names
int __real_open(const char* path, int flags, ...);
int __wrap_open(const char* path, int flags, ...) {
  if (fails("open", EMFILE)) return -1;
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return __real_open(path, flags, mode);
}

int __real_fstat(int descriptor, struct stat* status);
int __wrap_fstat(int descriptor, struct stat* status) {
  return fails("fstat", EIO) ? -1 : __real_fstat(descriptor, status);
}

int __real_stat(const char* path, struct stat* status);
int __wrap_stat(const char* path, struct stat* status) {
  return fails("stat", EIO) ? -1 : __real_stat(path, status);
}

ssize_t __real_pread(int descriptor, void* to, size_t bytes, off_t at);
ssize_t __wrap_pread(int descriptor, void* to, size_t bytes, off_t at) {
  return fails("pread", EIO) ? -1 : __real_pread(descriptor, to, bytes, at);
}

void* __real_mmap(void* at, size_t bytes, int protection, int flags, int descriptor, off_t offset);
void* __wrap_mmap(void* at, size_t bytes, int protection, int flags, int descriptor, off_t offset) {
  if (fails("mmap", ENOMEM)) return MAP_FAILED;
  return __real_mmap(at, bytes, protection, flags, descriptor, offset);
}
// NOLINTEND(bugprone-reserved-identifier)

}  // extern "C"
