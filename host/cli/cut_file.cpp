#include "host/cli/cut_file.hpp"

#include "host/files/mapped_file.hpp"
#include "host/files/whole_file.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

namespace multibuffer::cli {
namespace {

constexpr int bad_input = 2;

void say(const char* words) {
  [[maybe_unused]] const auto ignored = write(STDERR_FILENO, words, std::strlen(words));
}

// Reports the file and ends the process. The thread was reading a mapping, so it holds none of the
// locks that are taken here.
void on_bus_error(int signal, siginfo_t* info, void* /*context*/) {
  const bool is_fault = info->si_code > 0;  // not sent by another program
  const char* const path = is_fault ? files::path_of_mapping(info->si_addr) : nullptr;
  if (!path) {
    ::signal(signal, SIG_DFL);
    raise(signal);
    return;
  }
  static std::atomic_flag reported;
  while (reported.test_and_set()) pause();  // another thread reports it
  say("multibuffer: cannot read the file: ");
  say(path);
  say(": another program has cut it while it was read, or its disk failed\n");
  files::discard_unfinished_files();
  _exit(bad_input);
}

}  // namespace

void report_cut_files() {
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace multibuffer::cli
