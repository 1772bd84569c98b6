#pragma once

#include "host/dataset/source.hpp"

#include <memory>
#include <string>
#include <string_view>

// A dataset as bytes, for another process.

namespace multibuffer {

struct Described {
  std::shared_ptr<const DatasetSource> source;
  Format format;
  Layout layout;
};

/// Throws `invalid_argument` for parts in memory.
std::string description_of(const DatasetSource& source, const Format& format, const Layout& layout);
/// Throws `invalid_argument` unless every element of what the bytes describe lies in its files.
Described described(std::string_view bytes);

/// The view of a dataset alone as bytes.
std::string view_description_of(const Format& format, const Layout& layout);
struct DescribedView {
  Format format;
  Layout layout;
};
/// Throws `invalid_argument` unless every element of the view lies in the grid.
DescribedView described_view(std::string_view bytes, const Grid& grid);

}  // namespace multibuffer
