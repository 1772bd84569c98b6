#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <span>
#include <utility>

namespace multibuffer::python {

/// The `progress` argument of a long call: a function of the bytes done and the bytes in all, or
/// None. Held by the call, on the thread that made it.
class Progress {
 public:
  Progress() = default;
  /// Throws TypeError, with the argument's name, for an object that cannot be called.
  static Progress from(pybind11::handle object, const char* name);

  explicit operator bool() const noexcept { return static_cast<bool>(call_); }
  /// Calls the function, with the GIL held. Returns false with a Python exception set if it raises.
  bool tell(std::int64_t done, std::int64_t total) const noexcept;
  /// Tells, with the GIL held, that all bytes of an array are done, of which none had to be moved.
  /// Throws what the function raises.
  void tell_all(std::int64_t itemsize, std::span<const std::int64_t> extents) const;

 private:
  explicit Progress(pybind11::object call) : call_(std::move(call)) {}
  pybind11::object call_;
};

}  // namespace multibuffer::python
