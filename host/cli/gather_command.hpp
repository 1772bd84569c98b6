#pragma once

#include <multibuffer/device_buffer.hpp>
#include <multibuffer/gather_modes.hpp>
#include <multibuffer/stages/place.hpp>

#include "host/cli/inputs.hpp"

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace multibuffer::cli {

struct GatherOptions {
  std::vector<std::string> inputs;
  Join join = Join::stack;
  std::optional<std::string> index;
  std::optional<std::string> take;
  int axis = 0;
  std::optional<std::string> dtype;
  bool saturate = false;
  Order order = Order::C;
  std::optional<std::string> out;
  std::string device = "auto";
  std::optional<PlacementKind> placement;  ///< not given: in place on the host, else automatic
  bool checked = false;                    ///< proves that memory can be read before it is read
  bool verify = false;
  bool explain_plan = false;  ///< says which kernel or way gathers, why, and what it moves
  bool measure = false;       ///< with it: times a plain copy and the plan
  bool json = false;          ///< with it: prints the plan alone, as JSON
  bool stats = false;
};

/// Does the whole job and prints a summary. Returns the exit status: 0, or 1 if the result differs
/// from the reference; it is then not written.
int run_gather(const GatherOptions& options, std::stop_token stop);

}  // namespace multibuffer::cli
