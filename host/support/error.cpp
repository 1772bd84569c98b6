#include <multibuffer/error.hpp>

#include <array>
#include <cstddef>
#include <string>

namespace multibuffer {
namespace {

constexpr std::array table{
    ErrorEntry{Errc::invalid_argument, "invalid_argument", "invalid argument"},
    ErrorEntry{Errc::invalid_view, "invalid_view", "invalid array"},
    ErrorEntry{Errc::size_overflow, "size_overflow", "a size is too large"},
    ErrorEntry{Errc::invalid_format, "invalid_format", "invalid element format"},
    ErrorEntry{Errc::format_unsupported, "format_unsupported",
               "the element format does not allow this"},
    ErrorEntry{Errc::null_pointer, "null_pointer", "NULL pointer in a pointer table"},
    ErrorEntry{Errc::unreadable_memory, "unreadable_memory",
               "the array leads to memory that cannot be read"},
    ErrorEntry{Errc::index_out_of_range, "index_out_of_range", "index out of range"},
    ErrorEntry{Errc::device_unavailable, "device_unavailable", "device not available"},
    ErrorEntry{Errc::out_of_device_memory, "out_of_device_memory", "out of device memory"},
    ErrorEntry{Errc::cuda_failure, "cuda_failure", "a CUDA call failed"},
    ErrorEntry{Errc::cancelled, "cancelled", "stopped on request"},
    ErrorEntry{Errc::file_unreadable, "file_unreadable", "cannot read the file"},
    ErrorEntry{Errc::file_invalid, "file_invalid", "not a usable input file"},
    ErrorEntry{Errc::file_changed, "file_changed", "the file is no longer the one that was opened"},
    ErrorEntry{Errc::file_unwritable, "file_unwritable", "cannot write the file"},
};

const ErrorEntry& entry_of(Errc code) { return table[static_cast<std::size_t>(code)]; }

std::string message(Errc code, const std::string& detail) {
  return std::string(entry_of(code).sentence) + ": " + detail;
}

}  // namespace

std::span<const ErrorEntry> error_table() noexcept { return table; }

const ErrorEntry& Error::entry() const noexcept { return entry_of(code_); }

Failure::Failure(Errc code, const std::string& detail)
    : Error(code), std::runtime_error(message(code, detail)) {}

OutOfMemory::OutOfMemory(const std::string& detail)
    : Error(Errc::out_of_device_memory), message_(message(Errc::out_of_device_memory, detail)) {}

}  // namespace multibuffer
