#include <multibuffer/error.hpp>

#include <array>
#include <cstddef>

namespace multibuffer {
namespace {

// Exit status 1 means "the results differ", so every error is a 2.
constexpr std::array table{
    ErrorEntry{Errc::invalid_argument, "invalid_argument", "invalid argument", 2},
    ErrorEntry{Errc::invalid_view, "invalid_view", "invalid array", 2},
    ErrorEntry{Errc::size_overflow, "size_overflow", "size does not fit in 64 bits", 2},
    ErrorEntry{Errc::invalid_format, "invalid_format", "invalid element format", 2},
    ErrorEntry{Errc::format_unsupported, "format_unsupported",
               "the element format does not allow this", 2},
    ErrorEntry{Errc::null_pointer, "null_pointer", "NULL pointer in a pointer table", 2},
    ErrorEntry{Errc::index_out_of_range, "index_out_of_range", "index out of range", 2},
    ErrorEntry{Errc::device_unavailable, "device_unavailable", "device not available", 2},
    ErrorEntry{Errc::out_of_device_memory, "out_of_device_memory", "out of device memory", 2},
    ErrorEntry{Errc::cuda_failure, "cuda_failure", "a CUDA call failed", 2},
    ErrorEntry{Errc::cancelled, "cancelled", "stopped on request", 2},
    ErrorEntry{Errc::file_unreadable, "file_unreadable", "cannot read the file", 2},
    ErrorEntry{Errc::file_invalid, "file_invalid", "not a usable input file", 2},
    ErrorEntry{Errc::file_unwritable, "file_unwritable", "cannot write the file", 2},
};

const ErrorEntry& entry_of(Errc code) { return table[static_cast<std::size_t>(code)]; }

}  // namespace

std::span<const ErrorEntry> error_table() noexcept { return table; }

Error::Error(Errc code, const std::string& detail)
    : std::runtime_error(std::string(entry_of(code).sentence) + ": " + detail), code_(code) {}

const ErrorEntry& Error::entry() const noexcept { return entry_of(code_); }

}  // namespace multibuffer
