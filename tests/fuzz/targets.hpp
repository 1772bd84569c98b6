#pragma once

#include "host/support/text.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>

/// Functions that a fuzzer calls with bytes of its choice. Each takes any bytes, and ends the
/// process where the library breaks a promise; a sanitizer does so where it breaks the language's.
/// Errors of the library's own kinds are right answers.
namespace multibuffer::fuzz {

using Bytes = std::span<const std::uint8_t>;
/// What sums and products of hostile numbers fit in.
__extension__ using Wide = __int128;

// Parsers: what files, users and exporters write.
void descr(Bytes bytes);             ///< element types as .npy spells them
void description(Bytes bytes);       ///< serialized datasets
void format(Bytes bytes);            ///< PEP 3118's formats
void hdf5(Bytes bytes);              ///< HDF5 files
void index_expression(Bytes bytes);  ///< the command's --index and --take
void npy(Bytes bytes);               ///< .npy files
void npz(Bytes bytes);               ///< .npz files
void png(Bytes bytes);               ///< PNG files
void raw_numbers(Bytes bytes);       ///< files without a header, and what a caller says of them
void safetensors(Bytes bytes);       ///< safetensors files

// Against a second opinion: the reference, or a few lines that do the same in the plainest way.
void array(Bytes bytes);            ///< arrays of pointers through the whole pipeline
void dlpack(Bytes bytes);           ///< DLPack's tensors
void export_of_rows(Bytes bytes);   ///< raw export descriptors over a heap of rows
void kernel(Bytes bytes);           ///< the bodies of CUDA's kernels
void ragged(Bytes bytes);           ///< rows of unequal length through the whole pipeline
void ragged_offsets(Bytes bytes);   ///< rows by offsets and lengths that may be wrong
void view_operations(Bytes bytes);  ///< sequences of view operations, right and wrong ones

/// Ends the process, and so the fuzzer's run, unless `holds`.
template <class... Parts>
void require(bool holds, const Parts&... parts) {
  if (holds) return;
  std::fprintf(stderr, "\nbroken promise: %s\n", text(parts...).c_str());
  std::abort();
}

}  // namespace multibuffer::fuzz
