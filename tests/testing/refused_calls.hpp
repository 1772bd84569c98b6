#pragma once

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace multibuffer::testing {

/// A system call that is refused with an error; if `flag` is not 0, only where its third argument
/// has that bit.
struct RefusedCall {
  long number;
  int error;
  std::uint32_t flag = 0;
};

// Calls that some file systems and limits refuse, refused here on any system.
inline const RefusedCall unnamed_files{SYS_openat, EOPNOTSUPP, O_TMPFILE & ~O_DIRECTORY};
inline const RefusedCall links{SYS_linkat, EPERM};
inline const RefusedCall new_threads{SYS_clone, EAGAIN};
inline const RefusedCall new_threads_3{SYS_clone3, ENOSYS};

/// From now on this process, and what it executes, is refused these calls. False where the system
/// has no such filters.
inline bool refuse_calls(std::initializer_list<RefusedCall> calls) {
  const auto load = [](std::size_t offset) {
    return sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(offset)};
  };
  std::vector<sock_filter> program;
  for (const RefusedCall& call : calls) {
    const std::uint8_t skipped = call.flag != 0 ? 3 : 1;
    program.push_back(load(offsetof(seccomp_data, nr)));
    program.push_back(
        {BPF_JMP | BPF_JEQ | BPF_K, 0, skipped, static_cast<std::uint32_t>(call.number)});
    if (call.flag != 0) {
      program.push_back(load(offsetof(seccomp_data, args) + 2 * sizeof(std::uint64_t)));
      program.push_back({BPF_JMP | BPF_JSET | BPF_K, 0, 1, call.flag});
    }
    program.push_back(
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(call.error)});
  }
  program.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW});
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// Returns true if this system can filter calls.
inline bool can_refuse_calls() {
  const pid_t child = fork();
  if (child == 0) _exit(refuse_calls({}) ? 0 : 1);
  int status = -1;
  return waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace multibuffer::testing
