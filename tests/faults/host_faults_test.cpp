// Every allocation and every call of the system that fails, one after the other, in each use of the
// host.

#include <multibuffer/dataset.hpp>
#include <multibuffer/multibuffer.hpp>

#include "host/upload/by_pointers.hpp"
#include "tests/faults/array_scenarios.hpp"
#include "tests/faults/inject.hpp"
#include "tests/testing/failing_system_call.hpp"
#include "tests/testing/scratch.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace multibuffer::testing {
namespace {

class ArmedSystemCall final : public Armed {
 public:
  explicit ArmedSystemCall(std::int64_t number) : failing_(number) {}
  bool has_fired() const override { return failing_.has_fired(); }
  std::int64_t seen() const override { return failing_.seen(); }
  std::string what() const override { return failing_.call(); }

 private:
  FailingSystemCall failing_;
};

Seam system_calls() {
  return {.name = "system_calls",
          .arm = [](std::int64_t chances) { return std::make_unique<ArmedSystemCall>(chances); },
          .complaint = [](const Armed&, const Outcome& outcome) -> std::string {
            if (outcome.kind == Outcome::Kind::right) return {};
            if (outcome.code != static_cast<int>(Errc::file_unreadable) &&
                outcome.code != static_cast<int>(Errc::file_changed))
              return "not file_unreadable, but: " + outcome.what;
            return outcome.what.find("multibuffer-") != std::string::npos
                       ? ""
                       : "the file is not named in: " + outcome.what;
          },
          .counts_leaks = true,
          .gives_back = [](const std::string&) { return false; }};
}

Surroundings surroundings() { return {.measures = system_measures()}; }

// ---- Arrays in memory

std::vector<Scenario> memory_scenarios() {
  std::vector<Scenario> all = array_scenarios("host");
  all.push_back({"stack",
                 [] {
                   const auto source = std::make_shared<NumberRows>(12, 40);
                   return Job{[=] {
                                const std::int64_t shape[] = {source->length()};
                                std::vector<ArrayView> parts;
                                for (const std::int32_t* row : source->pointers)
                                  parts.push_back(
                                      ArrayView::dense(row, shape, native_format<std::int32_t>()));
                                return copy(upload(stack(parts).view(), Device::host())).to_host();
                              },
                              bytes_of_values(source->numbers())};
                 },
                 60});
  all.push_back({"by_pointers",
                 [] {
                   const auto source = std::make_shared<NumberRows>(12, 40);
                   return Job{
                       [=] { return copy(array_by_pointers(source->view()).value()).to_host(); },
                       bytes_of_values(source->numbers())};
                 },
                 60});
  all.push_back({"in_place",
                 [] {
                   const auto source = std::make_shared<NumberRows>(12, 40);
                   return Job{
                       [=] {
                         UploadOptions options;
                         options.placement = PlacementKind::in_place;
                         return copy(upload(source->view(), Device::host(), options)).to_host();
                       },
                       bytes_of_values(source->numbers())};
                 },
                 60});
  all.push_back(
      {"large_table",
       [] {
         // Rows that repeat, in an order that is no progression.
         struct Source {
           NumberRows rows{7000, 2};
           std::vector<const std::int32_t*> pointers;
         };
         const auto source = std::make_shared<Source>();
         Numbers expected;
         for (std::size_t i = 0; i < 20'000; ++i) {
           const std::int32_t* const row = source->rows.rows[i * i % 6997].data();
           source->pointers.push_back(row);
           expected.insert(expected.end(), row, row + 2);
         }
         return Job{[=] {
                      return copy(upload(ArrayView::from_rows(source->pointers, 2), Device::host()))
                          .to_host();
                    },
                    bytes_of_values(expected)};
       },
       60});
  return all;
}

class HostFaults : public ::testing::TestWithParam<Scenario> {};

TEST_P(HostFaults, EveryAllocation) { inject(GetParam(), allocations(), surroundings()); }

INSTANTIATE_TEST_SUITE_P(Uses, HostFaults, ::testing::ValuesIn(memory_scenarios()),
                         [](const auto& use) { return use.param.name; });

// ---- Arrays in files

/// Files of rows of numbers: two that are mapped, and one that is small.
struct Files {
  Scratch scratch;
  std::vector<std::string> names;
  Numbers numbers;                ///< of all files, one after the other
  std::int64_t header_bytes = 0;  ///< of the first file
  static constexpr std::int64_t length = 40;

  Files() {
    std::int32_t number = 0;
    for (const std::int32_t rows : {700, 3, 600}) {
      Numbers values;
      for (std::int32_t i = 0; i < rows * length; ++i) values.push_back(7 * number++);
      names.push_back(scratch / text("rows_", names.size(), ".npy"));
      write_file(names.back(),
                 npy_bytes_of("'<i4'", text("(", rows, ", ", length, ")"), bytes_of(values)));
      numbers.insert(numbers.end(), values.begin(), values.end());
    }
    header_bytes = std::ssize(read_file(names[0])) - 700 * length * 4;
  }
  Numbers rows(const std::vector<std::int64_t>& which) const {
    Numbers some;
    for (const std::int64_t row : which)
      some.insert(some.end(), numbers.begin() + row * length, numbers.begin() + (row + 1) * length);
    return some;
  }
};

const std::vector<std::int64_t> some_rows{1302, 5, 701, 700, 0, 699};

std::vector<Scenario> file_scenarios() {
  std::vector<Scenario> all;
  const auto add = [&](std::string name, std::function<Bytes(const Files&)> run,
                       std::function<Numbers(const Files&)> expected) {
    all.push_back({std::move(name),
                   [=] {
                     const auto files = std::make_shared<Files>();
                     return Job{[=] { return run(*files); }, bytes_of_values(expected(*files))};
                   },
                   60});
  };
  const auto everything = [](const Files& files) { return files.numbers; };
  const auto some = [](const Files& files) { return files.rows(some_rows); };
  add(
      "mapped", [](const Files& files) { return copy(Dataset::open(files.names)).to_host(); },
      everything);
  add(
      "in_windows",
      [](const Files& files) {
        return copy(Dataset::open(files.names, {.window = 30'000})).to_host();
      },
      everything);
  add(
      "pattern_taken",
      [](const Files& files) {
        return take(Dataset::open(files.scratch / "rows_*.npy"), 0, Indices(some_rows)).to_host();
      },
      some);
  add(
      "taken_in_windows",
      [](const Files& files) {
        return take(Dataset::open(files.names, {.window = 30'000}), 0, Indices(some_rows))
            .to_host();
      },
      some);
  add(
      "converted_in_windows",
      [](const Files& files) {
        ReadOptions options;
        options.format = Format(">i", 4);
        Bytes bytes =
            take(Dataset::open(files.names, {.window = 30'000}), 0, Indices(some_rows), options)
                .to_host();
        for (auto at = bytes.begin(); at != bytes.end(); at += 4) std::reverse(at, at + 4);
        return bytes;
      },
      some);
  add(
      "uploaded",
      [](const Files& files) {
        return copy(upload(Dataset::open(files.names), Device::host())).to_host();
      },
      everything);
  add(
      "as_pointers",
      [](const Files& files) {
        const std::optional<Dataset::Mapped> mapped = Dataset::open(files.names).mapped();
        UploadOptions options;
        options.placement = PlacementKind::in_place;
        options.owner = mapped.value().owner;
        return copy(upload(mapped.value().view, Device::host(), options)).to_host();
      },
      everything);
  add(
      "one_by_one",
      [](const Files& files) {
        return Dataset::open(files.names).slice(0, {698, 705}).reference();
      },
      [](const Files& files) {
        return files.rows({698, 699, 700, 701, 702, 703, 704});
      });
  add(
      "sent_to_another_process",
      [](const Files& files) {
        const Dataset dataset = Dataset::open(files.names).slice(0, {{}, {}, -1});
        return take(Dataset::deserialize(dataset.serialize()), 0, Indices(some_rows)).to_host();
      },
      [](const Files& files) {
        std::vector<std::int64_t> mirrored;
        for (const std::int64_t row : some_rows) mirrored.push_back(1302 - row);
        return files.rows(mirrored);
      });
  add(
      "without_a_header",
      [](const Files& files) {
        OpenOptions options;
        options.raw = RawNumbers{.format = native_format<std::int32_t>(),
                                 .shape = std::vector<std::int64_t>{700, Files::length},
                                 .offset = files.header_bytes};
        return copy(Dataset::open(files.names[0], options)).to_host();
      },
      [](const Files& files) {
        return Numbers(files.numbers.begin(), files.numbers.begin() + 700 * Files::length);
      });
  return all;
}

class FileFaults : public ::testing::TestWithParam<Scenario> {};

TEST_P(FileFaults, EveryAllocation) { inject(GetParam(), allocations(), surroundings()); }

TEST_P(FileFaults, EverySystemCall) { inject(GetParam(), system_calls(), surroundings()); }

INSTANTIATE_TEST_SUITE_P(Uses, FileFaults, ::testing::ValuesIn(file_scenarios()),
                         [](const auto& use) { return use.param.name; });

}  // namespace
}  // namespace multibuffer::testing
