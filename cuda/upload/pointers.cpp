#include "cuda/upload/pointers.hpp"

#include <multibuffer/error.hpp>

#include "cuda/memory/check.hpp"
#include "cuda/memory/driver.hpp"
#include "host/support/text.hpp"

#include <cuda.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace multibuffer::cuda {
namespace {

cudaPointerAttributes attributes_of(const void* pointer) {
  cudaPointerAttributes attributes{};
  MULTIBUFFER_CUDA_CHECK(cudaPointerGetAttributes(&attributes, pointer));
  return attributes;
}

struct Allocation {
  const std::byte* begin = nullptr;
  const std::byte* end = nullptr;
};

/// Returns the allocation, or registration, around an address; nothing if CUDA does not know it.
std::optional<Allocation> allocation_around(const std::byte* address) {
  const auto get_attributes = driver().pointer_attributes;
  if (!get_attributes) return std::nullopt;
  CUpointer_attribute which[] = {CU_POINTER_ATTRIBUTE_RANGE_START_ADDR,
                                 CU_POINTER_ATTRIBUTE_RANGE_SIZE};
  const std::byte* begin = nullptr;
  std::size_t bytes = 0;
  void* answers[] = {&begin, &bytes};
  if (get_attributes(2, which, answers, reinterpret_cast<std::uintptr_t>(address)) != CUDA_SUCCESS)
    return std::nullopt;
  // The device may have another address for registered memory.
  if (!begin || std::less{}(address, begin) || !std::less{}(address, begin + bytes))
    return std::nullopt;
  return Allocation{begin, begin + bytes};
}

/// Explains why a device cannot read at `pointer`; empty if it can.
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

/// Remembers the allocations that were found readable. Most leaves lie in the same one as the leaf
/// before, which costs two comparisons.
class Readable {
 public:
  explicit Readable(const Context& context) : context_(context) {}

  /// Returns true if all of the range lies in the allocation that was last found.
  bool surely(const std::byte* begin, const std::byte* end) const {
    return last_.begin && !std::less{}(begin, last_.begin) && !std::less{}(last_.end, end);
  }

  /// Explains why [begin, end) cannot be read; empty if it can.
  std::string why_not(const std::byte* begin, const std::byte* end) {
    for (const std::byte* at = begin; at < end;) {
      if (const auto known = found_.upper_bound(at); known != found_.end() && known->second <= at) {
        last_ = {known->second, known->first};
        at = known->first;
        continue;
      }
      std::string why = why_unreadable(at, context_);
      if (!why.empty()) return why;
      if (const std::optional<Allocation> allocation = allocation_around(at)) {
        found_[allocation->end] = allocation->begin;
        continue;
      }
      // The allocation's end is not known. Memory is readable by pages; the first and the last byte
      // are taken to answer for those between them.
      why = why_unreadable(end - 1, context_);
      if (!why.empty()) return why;
      found_[page_of(end - 1) + page_bytes] = page_of(at);
    }
    return {};
  }

 private:
  static constexpr std::uintptr_t page_bytes = 4096;
  static const std::byte* page_of(const std::byte* at) {
    return at - reinterpret_cast<std::uintptr_t>(at) % page_bytes;
  }

  const Context& context_;
  Allocation last_;
  std::map<const std::byte*, const std::byte*> found_;  ///< end of a range to its begin
};

}  // namespace

std::optional<PageLockedRange> find_page_locked(const std::byte* address) {
  const cudaPointerAttributes attributes = attributes_of(address);
  if (attributes.type != cudaMemoryTypeHost) return std::nullopt;
  const std::optional<Allocation> allocation = allocation_around(address);
  if (!allocation) return std::nullopt;
  return PageLockedRange{allocation->begin, allocation->end, attributes.devicePointer == address};
}

bool is_page_locked(const void* begin, std::int64_t bytes) {
  return PageLockedRanges(find_page_locked)
      .around(static_cast<const std::byte*>(begin), bytes)
      .has_value();
}

namespace {

/// Returns true for answers of a driver that does not know an address, or anything at all yet.
bool knows_nothing(CUresult error) {
  switch (error) {
    case CUDA_ERROR_INVALID_VALUE:
    case CUDA_ERROR_INVALID_CONTEXT:
    case CUDA_ERROR_NOT_INITIALIZED:
    case CUDA_ERROR_DEINITIALIZED:
    case CUDA_ERROR_NO_DEVICE:
      return true;
    default:
      return false;
  }
}

/// Returns the driver's facts about an address; nothing if it has none. Throws where it fails: its
/// memory must not be taken for the host's.
struct Known {
  CUmemorytype type{};
  int ordinal = 0;
  bool is_managed = false;
  CUdeviceptr device_pointer = 0;
};
std::optional<Known> known_of(const void* pointer) {
  const auto get_attributes = driver().pointer_attributes;
  if (!get_attributes) return std::nullopt;
  Known known;
  unsigned is_managed = 0;
  CUpointer_attribute which[] = {
      CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
      CU_POINTER_ATTRIBUTE_IS_MANAGED, CU_POINTER_ATTRIBUTE_DEVICE_POINTER};
  void* answers[] = {&known.type, &known.ordinal, &is_managed, &known.device_pointer};
  const CUresult error =
      get_attributes(4, which, answers, reinterpret_cast<std::uintptr_t>(pointer));
  if (knows_nothing(error)) return std::nullopt;
  if (error)  // the driver's numbers are those of the runtime
    throw_cuda_failure(static_cast<cudaError_t>(error), "cuPointerGetAttributes", __FILE__,
                       __LINE__);
  if (known.type != CU_MEMORYTYPE_DEVICE && known.type != CU_MEMORYTYPE_HOST) return std::nullopt;
  known.is_managed = is_managed != 0;
  return known;
}

}  // namespace

std::optional<int> device_of(const void* pointer) {
  const std::optional<Known> known = known_of(pointer);
  if (!known || (known->type != CU_MEMORYTYPE_DEVICE && !known->is_managed)) return std::nullopt;
  // Managed memory may belong to no device in particular.
  return std::max(known->ordinal, 0);
}

void check_writable(const void* pointer, const Context& context) {
  const auto refuse = [&](const std::string& why) {
    throw Failure(Errc::invalid_argument,
                  text("the output at ", pointer, " ", why,
                       ", and the gather runs on cuda:", context.ordinal()));
  };
  const std::optional<Known> known = known_of(pointer);
  if (!known) {
    if (!context.reads_pageable_memory()) refuse("is in pageable host memory");
    return;
  }
  if (known->is_managed) return;
  if (known->type == CU_MEMORYTYPE_DEVICE) {
    if (known->ordinal != context.ordinal())
      refuse(text("is in the memory of cuda:", known->ordinal));
  } else if (known->device_pointer != reinterpret_cast<std::uintptr_t>(pointer)) {
    refuse("is in host memory that this device knows by another address");
  }
}

void check_readable_in_place(const Placement& placement, const Context& context) {
  Readable readable(context);
  const auto check = [&](std::int64_t leaf) {
    const std::byte* const begin =
        reinterpret_cast<const std::byte*>(placement.leaves[leaf] - placement.leaf_below);
    const std::int64_t bytes = span_of_leaf(placement, leaf);
    const std::byte* const end = begin + bytes;
    if (readable.surely(begin, end)) return;
    const std::string why = readable.why_not(begin, end);
    if (!why.empty())
      throw Failure(Errc::invalid_argument,
                    text("leaf ", leaf, " of ", placement.leaves.size(), " (", bytes, " bytes at ",
                         static_cast<const void*>(begin), ") ", why));
  };
  const std::int64_t leaves = placement.leaves.size();
  if (leaves == 0) return;
  if (placement.leaves.is_affine() && placement.leaf_spans.empty()) {
    // Affine addresses lie between their ends.
    const auto [low, high] = std::minmax({placement.leaves[0], placement.leaves[leaves - 1]});
    check(0);
    if (readable.surely(
            reinterpret_cast<const std::byte*>(low - placement.leaf_below),
            reinterpret_cast<const std::byte*>(high - placement.leaf_below) + placement.leaf_span))
      return;
  }
  for (std::int64_t leaf = 0; leaf < leaves; ++leaf) check(leaf);
}

}  // namespace multibuffer::cuda
