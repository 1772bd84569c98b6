#pragma once

#include <multibuffer/format.hpp>
#include <multibuffer/gather.hpp>

#include "host/backend/number.hpp"

#include <optional>

namespace multibuffer {

/// Returns how elements of `from` become elements of `to`: each is one number, or several alike,
/// that follow each other. Returns nothing where they are moved as they are. Throws
/// `format_unsupported` where there is no such conversion.
std::optional<Conversion> conversion_of(const Format& from, const Format& to, Overflow overflow);

/// Returns what a gather with `options` makes of elements of `format`, whether it scales them or
/// not. Throws likewise.
std::optional<Conversion> conversion_of(const Format& format, const GatherOptions& options);

}  // namespace multibuffer
