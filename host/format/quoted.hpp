#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace multibuffer {

void append_hex(std::string& out, std::uint32_t value, int digits);

/// Appends one character of a quoted text, as Python writes it in a bytes literal.
void append_escaped(std::string& out, char c, char quote);

std::string quoted(std::string_view characters, char quote);

}  // namespace multibuffer
