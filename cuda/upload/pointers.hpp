#pragma once

#include <multibuffer/stages/place.hpp>

#include "cuda/memory/context.hpp"
#include "cuda/upload/upload_choice.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace multibuffer::cuda {

/// Returns the page-locked allocation, or registration, that an address of host memory lies in;
/// nothing if it is not page-locked, or if the driver does not say how far the allocation reaches.
std::optional<PageLockedRange> find_page_locked(const std::byte* address);

/// Returns true if a range of host memory lies in one page-locked allocation, so that the device
/// copies it by itself.
bool is_page_locked(const void* begin, std::int64_t bytes);

/// Returns the device whose memory, its own or managed, `pointer` leads to; nothing for other
/// memory. Makes no context, unlike the runtime's own query.
std::optional<int> device_of(const void* pointer);

/// Throws `invalid_argument` unless this device can write at `pointer`, which is its own memory,
/// managed memory, or page-locked host memory by the device's address for it.
void check_writable(const void* pointer, const Context& context);

/// Throws `invalid_argument`, naming the first leaf that this device cannot read where it lies.
void check_readable_in_place(const Placement& placement, const Context& context);

}  // namespace multibuffer::cuda
