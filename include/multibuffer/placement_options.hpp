#pragma once

namespace multibuffer {

/// The way in which an array's memory gets to where its device can read it.
enum class PlacementKind {
  automatic,  ///< packed or preserved, whichever moves less; in place for device memory
  packed,     ///< each distinct leaf copied dense, one after the other
  preserved,  ///< the bytes that leaves span, as they lie, address mod 256 kept
  in_place,   ///< nothing moves: offsets are absolute addresses
};

/// Switches for the simplifications of storage. All are on by default; tests turn them off.
struct Simplify {
  bool flatten = true;    ///< turn a level whose entries are affine in the indices into strides
  bool duplicate = true;  ///< copy a few aliased leaves twice if that makes a level affine
  bool narrow = true;     ///< count offsets in their common factor, in 32 bits where they fit
};

}  // namespace multibuffer
