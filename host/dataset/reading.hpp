#pragma once

#include <multibuffer/dataset.hpp>

#include "host/dataset/source.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace multibuffer {

/// Reads what a selection of a view selects.
///
/// Each element's place in the files is known from its indices, so nothing is resolved: a part of
/// the result becomes a table of addresses, of mapped files or of a window that has been read, and
/// one plan copies from there. A GPU gets the same table by an upload, which packs what it leads
/// to.
DeviceBuffer read(const DatasetSource& source, const Format& format, const Layout& layout,
                  const Selection& selection, const ReadOptions& options);

/// All elements of a view as an array of pointers into mapped files.
struct MappedTable {
  std::vector<std::int64_t> addresses;
  Layout layout;
  ArrayView view(const Format& format) const;
};
std::optional<MappedTable> map_whole(const DatasetSource& source, const Format& format,
                                     const Layout& layout);

/// All elements of a view in C order, each by its own index and a read of its own. Shares nothing
/// with `read` but the description: this is what `read` is compared with.
std::vector<std::byte> read_one_by_one(const DatasetSource& source, const Format& format,
                                       const Layout& layout);

}  // namespace multibuffer
