#pragma once

#include <multibuffer/stages/place.hpp>

#include "host/cli/inputs.hpp"

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace multibuffer::cli {

struct InspectOptions {
  std::vector<std::string> inputs;
  Join join = Join::stack;
  std::optional<std::string> index;
  PlacementKind placement = PlacementKind::automatic;
};

/// Prints an array's axes and levels, its placement, and how much would travel to a device. Reads
/// pointer tables, and no elements. Returns the exit status.
int run_inspect(const InspectOptions& options, std::stop_token stop);

}  // namespace multibuffer::cli
