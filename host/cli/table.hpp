#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace multibuffer::cli {

/// Rows of cells, the first of them the heading, in columns as wide as they need to be.
using Table = std::vector<std::vector<std::string>>;

void print(std::ostream& out, const Table& table);

}  // namespace multibuffer::cli
