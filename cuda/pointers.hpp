#pragma once

#include <multibuffer/place.hpp>

#include "context.hpp"

#include <cstdint>

namespace multibuffer::cuda {

/// Whether all of a range of host memory is page-locked, so that the device copies it by itself.
bool is_page_locked(const void* begin, std::int64_t bytes);

/// Throws `invalid_argument`, naming the first segment that this device cannot read where it lies.
void check_readable_in_place(const Placement& placement, const Context& context);

}  // namespace multibuffer::cuda
