#include <multibuffer/error.hpp>

#include <array>
#include <cstddef>

namespace multibuffer {
namespace {

constexpr std::array table{
    ErrorEntry{Errc::invalid_argument, "invalid_argument", "invalid argument"},
    ErrorEntry{Errc::invalid_view, "invalid_view", "invalid array"},
    ErrorEntry{Errc::size_overflow, "size_overflow", "size does not fit in 64 bits"},
    ErrorEntry{Errc::invalid_format, "invalid_format", "invalid element format"},
    ErrorEntry{Errc::format_unsupported, "format_unsupported",
               "the element format does not allow this"},
    ErrorEntry{Errc::null_pointer, "null_pointer", "NULL pointer in a pointer table"},
    ErrorEntry{Errc::index_out_of_range, "index_out_of_range", "index out of range"},
    ErrorEntry{Errc::device_unavailable, "device_unavailable", "device not available"},
    ErrorEntry{Errc::out_of_device_memory, "out_of_device_memory", "out of device memory"},
    ErrorEntry{Errc::cuda_failure, "cuda_failure", "a CUDA call failed"},
    ErrorEntry{Errc::cancelled, "cancelled", "stopped on request"},
    ErrorEntry{Errc::file_unreadable, "file_unreadable", "cannot read the file"},
    ErrorEntry{Errc::file_invalid, "file_invalid", "not a usable input file"},
    ErrorEntry{Errc::file_unwritable, "file_unwritable", "cannot write the file"},
};

const ErrorEntry& entry_of(Errc code) { return table[static_cast<std::size_t>(code)]; }

}  // namespace

std::span<const ErrorEntry> error_table() noexcept { return table; }

Error::Error(Errc code, const std::string& detail)
    : std::runtime_error(std::string(entry_of(code).sentence) + ": " + detail), code_(code) {}

const ErrorEntry& Error::entry() const noexcept { return entry_of(code_); }

}  // namespace multibuffer
