#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace multibuffer::cli {

/// Rows of cells, printed in columns as wide as their cells. The first row is the heading.
using Table = std::vector<std::vector<std::string>>;

void print(std::ostream& out, const Table& table);

}  // namespace multibuffer::cli
