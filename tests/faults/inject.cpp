#include "tests/faults/inject.hpp"

#include <multibuffer/error.hpp>

#include "host/support/text.hpp"
#include "tests/testing/failing_allocation.hpp"
#include "tests/testing/own_work.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <limits>
#include <new>
#include <string_view>

namespace multibuffer::testing {
namespace {

std::int64_t most_faults(const Scenario& scenario) {
  const char* const asked = std::getenv("MULTIBUFFER_TEST_FAULTS");
  if (asked && std::string_view(asked) == "all") return std::numeric_limits<std::int64_t>::max();
  return scenario.most_faults;
}

class ArmedAllocation final : public Armed {
 public:
  explicit ArmedAllocation(std::int64_t number) : failing_(number) {}
  bool has_fired() const override { return failing_.has_fired(); }
  std::int64_t seen() const override { return failing_.seen(); }
  std::string what() const override { return "an allocation"; }

 private:
  FailingAllocation failing_;
};

Outcome outcome_of(const Job& job) {
  try {
    const Bytes bytes = job.run();
    return {bytes == job.expected ? Outcome::Kind::right : Outcome::Kind::wrong, -1, {}};
  } catch (const std::bad_alloc& error) {
    const OwnWork own;
    const auto* const out_of_memory = dynamic_cast<const Error*>(&error);
    return {Outcome::Kind::bad_alloc, out_of_memory ? static_cast<int>(out_of_memory->code()) : -1,
            error.what()};
  } catch (const Error& error) {
    const OwnWork own;
    return {Outcome::Kind::error, static_cast<int>(error.code()), error.what()};
  } catch (const std::exception& error) {
    const OwnWork own;
    return {Outcome::Kind::stranger, -1, error.what()};
  }
}

std::vector<std::int64_t> values_of(const std::vector<Measure>& measures) {
  std::vector<std::int64_t> values;
  for (const Measure& measure : measures) values.push_back(measure.now());
  return values;
}

/// Runs of a job with one and the same failure.
class Runs {
 public:
  Runs(const Job& job, const Seam& seam, const Surroundings& surroundings)
      : job_(job), seam_(seam), surroundings_(surroundings) {
    measures_ = surroundings.measures;
    measures_.push_back({"bytes allocated", [] { return live_allocations().bytes; }});
    measures_.push_back({"blocks allocated", [] { return live_allocations().blocks; }});
  }

  /// Runs it once; returns whether it met the failure.
  bool fail(std::int64_t chances) {
    const OwnWork own;
    const std::unique_ptr<Armed> armed = seam_.arm(chances);
    const Outcome outcome = run();
    const bool fired = armed->has_fired();
    if (fired) what_ = armed->what();
    if (fired && outcome.kind == Outcome::Kind::right) survived_ = true;
    std::string complaint;
    if (outcome.kind == Outcome::Kind::wrong)
      complaint = "wrong bytes";
    else if (!fired && outcome.kind != Outcome::Kind::right)
      complaint = text("fails without a failure: ", outcome.what);
    else if (fired)
      complaint = seam_.complaint(*armed, outcome);
    if (!complaint.empty()) complaints_.push_back(text(what_, ": ", complaint));
    surroundings_.settle();
    return fired;
  }

  /// Says what the same failure takes each time that it comes.
  void look_for_leaks(std::int64_t chances) {
    const OwnWork own;
    fail(chances);
    if (seam_.gives_back(what_)) return;
    // Memory that is kept for later may grow for a while, or go up and down. Memory that has leaked
    // does not come back.
    const std::vector<std::int64_t> first = values_of(measures_);
    for (int i = 0; i < 3; ++i) {
      fail(chances);
      if (std::ranges::equal(values_of(measures_), first, std::ranges::less_equal())) return;
    }
    const std::vector<bool> grows = find_growing(chances, 50);
    if (std::ranges::find(grows, true) == grows.end()) return;
    // Memory that grew once and stayed so does not grow in a second pass; a leak does.
    const std::vector<bool> still_grows = find_growing(chances, 300);
    for (std::size_t k = 0; k < grows.size(); ++k)
      if (grows[k] && still_grows[k])
        complaints_.push_back(
            text(what_, ": each time that it fails, more ", measures_[k].name, " are taken"));
  }

  /// Runs it without a failure.
  void succeed() {
    const OwnWork own;
    const Outcome outcome = run();
    if (outcome.kind != Outcome::Kind::right)
      complaints_.push_back(text(what_, ": the next run is ",
                                 outcome.kind == Outcome::Kind::wrong ? "wrong" : outcome.what));
    surroundings_.settle();
  }

  const std::string& what() const { return what_; }
  bool has_survived() const { return survived_; }
  std::vector<std::string> take_complaints() {
    survived_ = false;
    return std::exchange(complaints_, {});
  }

 private:
  /// Injects the failure so many times. Returns of each measure whether it stayed above its least
  /// value of the first ten.
  std::vector<bool> find_growing(std::int64_t chances, int times) {
    std::vector<std::int64_t> least = values_of(measures_);
    std::vector<bool> grow(least.size(), true);
    for (int i = 0; i < times && std::ranges::find(grow, true) != grow.end(); ++i) {
      fail(chances);
      const std::vector<std::int64_t> now = values_of(measures_);
      for (std::size_t k = 0; k < now.size(); ++k) {
        if (i < 10)
          least[k] = std::min(least[k], now[k]);
        else if (now[k] <= least[k])
          grow[k] = false;
      }
    }
    return grow;
  }

  /// The job alone is not the test's own work.
  Outcome run() const {
    const OwnWork::Pause pause;
    return outcome_of(job_);
  }

  const Job& job_;
  const Seam& seam_;
  const Surroundings& surroundings_;
  std::vector<Measure> measures_;
  std::string what_;
  bool survived_ = false;
  std::vector<std::string> complaints_;
};

}  // namespace

Seam allocations() {
  return {.name = "allocations",
          .arm = [](std::int64_t chances) { return std::make_unique<ArmedAllocation>(chances); },
          .complaint = [](const Armed&, const Outcome& outcome) -> std::string {
            const bool is_fit =
                outcome.kind == Outcome::Kind::right || outcome.kind == Outcome::Kind::bad_alloc;
            return is_fit ? "" : text("not std::bad_alloc, but: ", outcome.what);
          },
          .counts_leaks = true,
          .gives_back = [](const std::string&) { return false; }};
}

std::vector<Measure> system_measures() {
  const auto descriptors = [] {
    return static_cast<std::int64_t>(
        std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
  };
  const auto mappings = [] {
    std::ifstream maps("/proc/self/maps");
    std::int64_t count = 0;
    for (std::string line; std::getline(maps, line);)
      if (line.find("multibuffer-") != std::string::npos) ++count;
    return count;
  };
  return {{"open descriptors", descriptors}, {"mapped files", mappings}};
}

void inject(const Scenario& scenario, const Seam& seam, const Surroundings& surroundings) {
  const OwnWork own;
  const Job job = scenario.prepare();
  surroundings.settle();
  Runs runs(job, seam, surroundings);
  runs.succeed();  // caches are filled, and what is kept for later is made
  runs.succeed();
  std::int64_t chances = 0;
  {
    const std::unique_ptr<Armed> counting = seam.arm(std::numeric_limits<int>::max());
    runs.succeed();
    chances = counting->seen();
  }
  const std::int64_t step = chances / most_faults(scenario) + 1;
  int faults = 0, survived = 0, complaints = 0;
  const auto report = [&](std::int64_t number) {
    survived += runs.has_survived() ? 1 : 0;
    for (const std::string& complaint : runs.take_complaints())
      if (++complaints <= 8)
        ADD_FAILURE() << scenario.name << ", " << seam.name << ", failure " << number << " of "
                      << chances << ", " << complaint;
  };
  report(-1);
  for (std::int64_t number = 0; runs.fail(number); number += step) {
    ++faults;
    if (seam.counts_leaks && surroundings.repeats) runs.look_for_leaks(number);
    runs.succeed();
    report(number);
  }
  report(chances);
  EXPECT_GT(faults, 0);
  ::testing::Test::RecordProperty(seam.name, faults);
  ::testing::Test::RecordProperty(seam.name + "_survived", survived);
  std::cout << scenario.name << ": " << faults << " of " << chances << " " << seam.name
            << " failed, " << survived << " survived\n";
}

}  // namespace multibuffer::testing
