#pragma once

#include <multibuffer/stages/place.hpp>

#include "cuda/memory/context.hpp"
#include "cuda/upload/upload_choice.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace multibuffer::cuda {

/// The page-locked allocation, or registration, that an address of host memory lies in. Nothing if
/// it is not page-locked, or if the driver does not say how far the allocation reaches.
std::optional<PageLockedRange> find_page_locked(const std::byte* address);

/// Whether all of a range of host memory is one page-locked allocation's, so that the device copies
/// it by itself.
bool is_page_locked(const void* begin, std::int64_t bytes);

/// The device whose memory, its own or managed, `pointer` leads to; nothing for other memory. Makes
/// no context, unlike the runtime's own question.
std::optional<int> device_of(const void* pointer);

/// Throws `invalid_argument` unless this device can write at `pointer`: its own memory, managed
/// memory, or page-locked host memory by the address that the device knows it by.
void check_writable(const void* pointer, const Context& context);

/// Throws `invalid_argument`, naming the first leaf that this device cannot read where it lies.
void check_readable_in_place(const Placement& placement, const Context& context);

}  // namespace multibuffer::cuda
