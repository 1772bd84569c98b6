#pragma once

#include <vector>

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

/// Scales elements as they become float32, for images whose channels are normalized: each element
/// is converted to float32, as by a gather without a scaling, and then is
///
///     fma(element, factor, term)
///
/// of IEEE 754, with the factor and the term of its index along one axis of the result. So an
/// element that a float32 holds exactly is rounded once in all; integers of more than 24 bits and
/// doubles are rounded twice. A NaN is the one with the bits 0x7fc00000, whatever it comes from.
/// Subnormal numbers are numbers, whatever the mode of the caller's thread. Hosts, devices and the
/// reference agree in every bit.
struct Scaling {
  /// The axis of the result; negative ones count from its last. It need not exist where both lists
  /// have at most one number.
  int axis = -1;
  std::vector<float> factors = {};  ///< one for each index, or one for all; none: 1
  /// Likewise; none: nothing is added, and a zero keeps the sign that the product has.
  std::vector<float> terms = {};
};

}  // namespace multibuffer
