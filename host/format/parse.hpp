#pragma once

#include <multibuffer/format.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace multibuffer {

/// The result of `read_format`: a type, or why there is none.
struct Reading {
  Type type;
  std::string complaint;  ///< empty if the format was understood
  bool has_objects = false;
};

/// Reads `format` for elements of `itemsize` bytes. `wide_u`: `u` is four bytes, as ctypes means
/// it.
Reading read_format(std::string_view format, std::int64_t itemsize, bool wide_u);

}  // namespace multibuffer
