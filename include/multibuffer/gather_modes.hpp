#pragma once

/// Options that gathers, plans, kernels and the reference share.
namespace multibuffer {

/// Tells how an index outside of its axis is treated, as in `numpy.take`.
enum class IndexMode {
  raise,  ///< an error; negative indices count from the end
  clip,   ///< moved to the nearest valid index; negative ones to 0
  wrap,   ///< modulo the extent
};

/// Tells how an integer is converted to an integer type that cannot hold it.
enum class Overflow {
  wrap,      ///< modulo 2^bits, as in C++ and NumPy
  saturate,  ///< the nearest that there is
};

/// In which order the axes of a dense array lie in memory: C, the last one innermost; F, the first.
enum class Order { C, F };

}  // namespace multibuffer
