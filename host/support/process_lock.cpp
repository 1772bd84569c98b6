#include "host/support/process_lock.hpp"

#include <pthread.h>

#include <array>
#include <cstddef>

namespace multibuffer {
namespace {

// Never destroyed: threads may outlive main.
std::array<std::mutex, 4>& mutexes() {
  static auto& all = *new std::array<std::mutex, 4>;
  return all;
}

void lock_all() {
  for (std::mutex& mutex : mutexes()) mutex.lock();
}
void unlock_all() {
  for (std::mutex& mutex : mutexes()) mutex.unlock();
}

}  // namespace

std::mutex& process_mutex(ProcessLock which) {
  static std::once_flag once;
  std::call_once(once, [] { pthread_atfork(lock_all, unlock_all, unlock_all); });
  return mutexes()[static_cast<std::size_t>(which)];
}

}  // namespace multibuffer
