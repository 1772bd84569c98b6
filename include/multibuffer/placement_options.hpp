#pragma once

namespace multibuffer {

/// How an array's memory gets to where its device can read it.
enum class PlacementKind {
  automatic,  ///< packed or preserved, whichever moves less; in place for device memory
  packed,     ///< each distinct leaf copied dense, one after the other
  preserved,  ///< the bytes that leaves span, as they lie, address mod 256 kept
  in_place,   ///< nothing moves: offsets are absolute addresses
};

/// The storage simplifications, all on by default; off for tests and for inspection.
struct Simplify {
  bool flatten = true;    ///< a level whose entries are affine in the indices becomes strides
  bool duplicate = true;  ///< a few aliased leaves are copied twice if that makes a level affine
  bool narrow = true;     ///< offsets count in a common factor, in 32 bits where they fit
};

}  // namespace multibuffer
