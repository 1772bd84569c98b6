#pragma once

#include <multibuffer/placement_options.hpp>

#include "tests/testing/random_array.hpp"

#include <span>
#include <string>
#include <vector>

namespace multibuffer::testing {

/// How an array is sent through the pipeline.
struct Route {
  PlacementKind kind = PlacementKind::automatic;
  Simplify simplify;
};
std::vector<Route> every_route();

/// Sends a random array, with random view operations and requests, through the whole pipeline along
/// each of `routes`, and compares with the reference. Source addresses are compared at each stage,
/// since equal bytes may come from the wrong place; bytes only at the end. Returns what differs and
/// describes the array, or an empty string.
std::string check_array(Random& random, const ArrayOptions& options, std::span<const Route> routes);

}  // namespace multibuffer::testing
