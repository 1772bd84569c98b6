#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace multibuffer {

/// Says what a backend would do with a plan, and why, by asking for its choice again. The words are
/// those that stand beside each choice in the backend's source.
struct PlanDescription {
  struct Way {
    std::string name;
    std::string needs;  ///< what a plan must be for it to be taken, a clause
  };
  struct Fact {
    std::string name;
    std::string value;
  };
  Way taken;
  std::vector<Way> passed_over;  ///< those that come before it, whose needs the plan does not meet
  std::vector<Fact> facts;       ///< what else was chosen
  /// Bytes that memory is read in: a cache line, or a sector of one.
  std::int64_t granule = 64;
};

}  // namespace multibuffer
