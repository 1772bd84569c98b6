#pragma once

/// The small choices that a gather, its plan, its kernels and the reference share.
namespace multibuffer {

/// What an index outside of its axis means, as in `numpy.take`.
enum class IndexMode {
  raise,  ///< an error; negative indices count from the end
  clip,   ///< moved to the nearest valid index; negative ones to 0
  wrap,   ///< modulo the extent
};

/// What becomes of an integer that an integer type of fewer values cannot hold.
enum class Overflow {
  wrap,      ///< modulo 2^bits, as in C++ and NumPy
  saturate,  ///< the nearest that there is
};

/// In which order the axes of a dense array lie in memory: C, the last one innermost; F, the first.
enum class Order { C, F };

}  // namespace multibuffer
