#pragma once

#include <cstddef>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace multibuffer::testing {

using Bytes = std::vector<std::byte>;

/// A job, which is run again and again and gives the same bytes each time.
struct Job {
  std::function<Bytes()> run;
  Bytes expected;
};

/// A use of the library. `prepare` makes what is not part of the job.
struct Scenario {
  std::string name;
  std::function<Job()> prepare;
  int most_faults = 60;  ///< of one kind, spread evenly, unless all are asked for
};

inline std::ostream& operator<<(std::ostream& out, const Scenario& scenario) {
  return out << scenario.name;
}

}  // namespace multibuffer::testing
