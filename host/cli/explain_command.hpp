#pragma once

#include <multibuffer/dataset.hpp>
#include <multibuffer/placement_options.hpp>

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace multibuffer::cli {

struct ExplainOptions {
  std::vector<std::string> inputs;
  Join join = Join::stack;
  std::optional<std::string> index;
  std::string at;  ///< one number for each axis that `index` leaves
  bool json = false;
  PlacementKind placement = PlacementKind::automatic;
};

/// Prints step by step how an index leads to one element, by pointers and by offset arrays: side by
/// side on a terminal, a step a line elsewhere, or as JSON. Returns the exit status.
int run_explain(const ExplainOptions& options, std::stop_token stop);

/// Reads an index of one number for each axis, "3,1,2", with or without brackets. Throws
/// `invalid_argument`.
std::vector<std::int64_t> parse_element(const std::string& text);

}  // namespace multibuffer::cli
