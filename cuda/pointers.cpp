#include "pointers.hpp"

#include <multibuffer/error.hpp>

#include "check.hpp"
#include "host/text.hpp"

#include <cstddef>
#include <string>

namespace multibuffer::cuda {
namespace {

cudaPointerAttributes attributes_of(const void* pointer) {
  cudaPointerAttributes attributes{};
  MULTIBUFFER_CUDA_CHECK(cudaPointerGetAttributes(&attributes, pointer));
  return attributes;
}

/// Why a device cannot read at `pointer`; empty if it can.
std::string why_unreadable(const void* pointer, const Context& context) {
  const cudaPointerAttributes attributes = attributes_of(pointer);
  switch (attributes.type) {
    case cudaMemoryTypeDevice:
      if (attributes.device == context.ordinal()) return {};
      return text("is in the memory of cuda:", attributes.device);
    case cudaMemoryTypeManaged:
      return {};
    case cudaMemoryTypeHost:
      if (attributes.devicePointer == pointer) return {};
      return "is page-locked host memory that this device sees at another address";
    default:
      if (context.reads_pageable_memory()) return {};
      return "is in pageable host memory, which a GPU cannot use in place; it can use page-locked "
             "(cudaHostRegister), managed and device memory";
  }
}

}  // namespace

bool is_page_locked(const void* begin, std::int64_t bytes) {
  const auto* first = static_cast<const std::byte*>(begin);
  return attributes_of(first).type == cudaMemoryTypeHost &&
         attributes_of(first + (bytes - 1)).type == cudaMemoryTypeHost;
}

void check_readable_in_place(const Placement& placement, const Context& context) {
  for (std::size_t i = 0; i < placement.segments.size(); ++i) {
    const Segment& segment = placement.segments[i];
    if (segment.bytes == 0) continue;
    std::string why = why_unreadable(segment.source, context);
    if (why.empty()) why = why_unreadable(segment.source + (segment.bytes - 1), context);
    if (!why.empty())
      throw Error(Errc::invalid_argument,
                  text("segment ", i, " of ", placement.segments.size(), " (", segment.bytes,
                       " bytes at ", static_cast<const void*>(segment.source), ") ", why));
  }
}

}  // namespace multibuffer::cuda
