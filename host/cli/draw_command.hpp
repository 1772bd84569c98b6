#pragma once

#include <multibuffer/dataset.hpp>
#include <multibuffer/placement_options.hpp>

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace multibuffer::cli {

struct DrawOptions {
  std::vector<std::string> inputs;
  Join join = Join::stack;
  std::optional<std::string> index;  ///< what it leaves out is grey
  std::optional<std::string> at;     ///< an element to mark
  std::string out;                   ///< an .svg
  bool without_offsets = false;
  PlacementKind placement = PlacementKind::automatic;
};

/// Writes a picture of an array, its pointers and its offset arrays. Returns the exit status.
int run_draw(const DrawOptions& options, std::stop_token stop);

}  // namespace multibuffer::cli
