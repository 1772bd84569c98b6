#pragma once

#include <multibuffer/dataset.hpp>
#include <multibuffer/reference.hpp>

#include "host/cli/inputs.hpp"
#include "host/cli/take.hpp"

#include <optional>
#include <span>
#include <string>

// Inputs of a command line that are a `Dataset`: arrays by name (a.h5::x), patterns that the shell
// has left to us, and all formats but .npy and PNG, which `Inputs` takes as arrays of pointers.

namespace multibuffer::cli {

bool is_dataset(std::span<const std::string> inputs);
Dataset open_dataset(std::span<const std::string> inputs, Join join);
/// "a.h5::x", or "3 files stacked".
std::string describe_dataset(const Dataset& dataset, std::span<const std::string> inputs);

/// Returns what a gather must give, each element read by itself.
reference::Result expected_of(const Dataset& dataset, const std::optional<Take>& take);

}  // namespace multibuffer::cli
