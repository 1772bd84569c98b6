#pragma once

#include "host/files/python_literal.hpp"

#include <cstdint>
#include <stdexcept>
#include <string>

namespace multibuffer::files {

/// An element type as .npy spells it, and as PEP 3118 does.
struct NpyType {
  std::string descr;          ///< a Python literal, the same for all spellings of a type
  std::string format;         ///< as `Format` reads it: dates by their names, raw bytes are `x`
  std::int64_t itemsize = 0;  ///< 0 for strings of no letters, which NumPy allows
};

/// Says why a `descr` is no element type that can be read.
class NpyTypeError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Reads a header's `descr`: '<f4', 'float32', or a list of fields. Accepts what NumPy does, except
/// lists in a string ('f4,i4') and divided units ('M8[Y/2]'), which nothing writes. Throws
/// `NpyTypeError`.
///
/// Source: numpy.lib.format.descr_to_dtype, and numpy.dtype.
NpyType parse_npy_type(const Literal& descr);

}  // namespace multibuffer::files
