#include "host/ragged/check_rows.hpp"

#include <multibuffer/error.hpp>

#include "host/resolve/readable_memory.hpp"
#include "host/support/text.hpp"

#include <cstdint>

namespace multibuffer {

void check_rows(const RaggedView& view) {
  if (view.space() != MemorySpace::host) return;
  ReadableMemory memory;
  for (std::int64_t row = 0; row < view.rows(); ++row) {
    const std::int64_t bytes = view.length(row) * view.item_bytes();
    if (bytes == 0) continue;
    const auto begin =
        static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(view.start(row)));
    std::uint64_t end = 0;
    if (!__builtin_add_overflow(begin, static_cast<std::uint64_t>(bytes), &end) &&
        memory.holds(begin, end))
      continue;
    throw Failure(Errc::unreadable_memory,
                  text("row ", row, " of ", view.rows(), " would be ", bytes, " bytes at ",
                       static_cast<const void*>(view.start(row))));
  }
}

}  // namespace multibuffer
