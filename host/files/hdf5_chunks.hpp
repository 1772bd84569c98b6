#pragma once

#include "host/files/hdf5_library.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace multibuffer::files::hdf5 {

/// Where the chunks of a dataset lie, in C order.
struct Chunks {
  std::vector<std::int64_t> addresses;  ///< -1: not found
  std::int64_t missing = 0;             ///< how many were not found
  std::int64_t other_sizes = 0;         ///< how many have another size than they should
};

/// Finds the chunks of `bytes` bytes of a dataset of `shape` that is cut into chunks of `piece`. A
/// chunk that was never written is not found, nor is one whose part of the index is damaged. Takes
/// n log n look-ups, where H5Dget_chunk_info of HDF5 1.10 walks through all n for each chunk. The
/// caller has libhdf5 (`Hold`). Throws what reading the file throws.
Chunks find_chunks(Input& input, hid_t dataset, std::span<const std::int64_t> shape,
                   std::span<const std::int64_t> piece, std::int64_t bytes);

}  // namespace multibuffer::files::hdf5
