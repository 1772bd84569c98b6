#pragma once

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace multibuffer {

/// What can go wrong. Every code has one row in `error_table()`.
enum class Errc {
  invalid_argument,
  invalid_view,
  size_overflow,
  invalid_format,
  format_unsupported,
  null_pointer,
  index_out_of_range,
  device_unavailable,
  out_of_device_memory,
  cuda_failure,
  cancelled,
  file_unreadable,
  file_invalid,
  file_unwritable,
};

struct ErrorEntry {
  Errc code;
  std::string_view name;      ///< the enumerator's name
  std::string_view sentence;  ///< what is wrong, in general
};

/// All codes with their sentences, in the order of `Errc`.
std::span<const ErrorEntry> error_table() noexcept;

/// The exception type of the library, besides `std::bad_alloc` where host memory runs out. Blocks
/// on the host report `out_of_device_memory`, as those on any device. It is no `std::bad_alloc` as
/// well: with two bases of the kind, `catch (const std::exception&)` would not catch it. `what()`
/// is the code's sentence, then what was wrong in this case, where (which axis, index or file), and
/// what would be right.
class Error : public std::runtime_error {
 public:
  Error(Errc code, const std::string& detail);
  Errc code() const noexcept { return code_; }
  const ErrorEntry& entry() const noexcept;

 private:
  Errc code_;
};

}  // namespace multibuffer
