#pragma once

#include "tests/faults/scenario.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// Runs a job with one failure after the other, and requires of each: the job throws what fits the
/// failure, or gives the right bytes; nothing that it took is missing when the same failure has
/// come several times; and without a failure it gives the right bytes again.
namespace multibuffer::testing {

/// How a job ended.
struct Outcome {
  enum class Kind { right, wrong, bad_alloc, error, stranger };
  Kind kind = Kind::right;
  int code = -1;     ///< an `Errc` as a number, where it is an error of the library's
  std::string what;  ///< of an exception
};

/// A failure that is armed while it lives.
class Armed {
 public:
  virtual ~Armed() = default;
  virtual bool has_fired() const = 0;
  virtual std::int64_t seen() const = 0;  ///< chances to fail so far
  /// What failed, for messages.
  virtual std::string what() const = 0;
};

/// One way of failing.
struct Seam {
  std::string name;
  /// Lets chances pass, then fails once.
  std::function<std::unique_ptr<Armed>(std::int64_t chances)> arm;
  /// Says what is wrong with an outcome; empty if nothing is.
  std::function<std::string(const Armed&, const Outcome&)> complaint;
  bool counts_leaks = true;
  /// True of what gives something back, and of which nobody could say what to do if it fails.
  std::function<bool(const std::string& what)> gives_back = [](const std::string&) {
    return false;
  };
};

/// Something that jobs take and give back.
struct Measure {
  std::string name;
  std::function<std::int64_t()> now;
};

/// What a program measures, beside the allocations, and how it waits for what goes on.
struct Surroundings {
  std::vector<Measure> measures;
  std::function<void()> settle = [] {};
  /// Every run does the same work in the same order, so that what two failures take can be
  /// compared; else no leaks are looked for.
  bool repeats = true;
};

/// Every allocation by operator new.
Seam allocations();
/// Open descriptors of the process, and mappings of files.
std::vector<Measure> system_measures();

/// Injects failures into a scenario by GoogleTest's means, and records how many.
void inject(const Scenario& scenario, const Seam& seam, const Surroundings& surroundings);

}  // namespace multibuffer::testing
