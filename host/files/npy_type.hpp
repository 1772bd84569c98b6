#pragma once

#include "host/files/python_literal.hpp"

#include <cstdint>
#include <stdexcept>
#include <string>

namespace multibuffer::files {

/// A .npy element type, twice: as .npy spells it, and as PEP 3118 does.
struct NpyType {
  std::string descr;          ///< a Python literal, in one spelling for all that mean the same
  std::string format;         ///< moves the same bytes; dates are integers, opaque bytes are `s`
  std::int64_t itemsize = 0;  ///< 0 for strings of no letters, of which NumPy has arrays
};

/// Why a `descr` is no element type that can be read.
class NpyTypeError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// From the header's `descr`: '<f4', 'float32', or a list of fields. Reads what NumPy does, but for
/// its lists in a string ('f4,i4') and divided units ('M8[Y/2]'), which nothing writes. Throws
/// `NpyTypeError`.
///
/// Source: numpy.lib.format.descr_to_dtype, and numpy.dtype.
NpyType parse_npy_type(const Literal& descr);

}  // namespace multibuffer::files
