#pragma once

#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace multibuffer {

/// Codes of errors. Every code has one row in `error_table()`.
enum class Errc {
  invalid_argument,
  invalid_view,
  size_overflow,
  invalid_format,
  format_unsupported,
  null_pointer,
  unreadable_memory,
  index_out_of_range,
  device_unavailable,
  out_of_device_memory,
  /// A call of CUDA failed, which the text names. It also says if the process has lost its CUDA
  /// context (a kernel's wrong address, say): only a new process can then use the device.
  cuda_failure,
  cancelled,
  file_unreadable,
  file_invalid,
  file_changed,
  file_unwritable,
};

struct ErrorEntry {
  Errc code;
  std::string_view name;      ///< the enumerator's name
  std::string_view sentence;  ///< what is wrong, in general
};

/// All codes with their sentences, in the order of `Errc`.
std::span<const ErrorEntry> error_table() noexcept;

/// The base of the library's exceptions: catch `const multibuffer::Error&` for all of them.
/// It is thrown as a `Failure` or, where a device's memory runs out, as an `OutOfMemory`; host
/// memory that runs out is a plain `std::bad_alloc`. Blocks on the host report
/// `out_of_device_memory`, as those on any device.
class Error {
 public:
  virtual ~Error() = default;
  Errc code() const noexcept { return code_; }
  const ErrorEntry& entry() const noexcept;
  /// The code's sentence, then what was wrong in this case, where (which axis, index or file), and
  /// what would be right.
  virtual const char* what() const noexcept = 0;

 protected:
  explicit Error(Errc code) noexcept : code_(code) {}
  Error(const Error&) = default;
  Error& operator=(const Error&) = default;

 private:
  Errc code_;
};

class Failure : public Error, public std::runtime_error {
 public:
  Failure(Errc code, const std::string& detail);
  const char* what() const noexcept override { return std::runtime_error::what(); }
};

/// `out_of_device_memory`: a `std::bad_alloc`, for handlers that know nothing of this library, and
/// an `Error`.
class OutOfMemory : public Error, public std::bad_alloc {
 public:
  explicit OutOfMemory(const std::string& detail);
  const char* what() const noexcept override { return message_.what(); }

 private:
  std::runtime_error message_;  // whose copies share the text, and so never throw
};

}  // namespace multibuffer
