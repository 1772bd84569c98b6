#include "tests/fuzz/targets.hpp"
#include "tests/testing/scratch.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

// Runs every target over its corpus: inputs that reach as much of the code as a fuzzer did, and
// those that once broke something. An input that breaks a promise ends the program.
namespace multibuffer::fuzz {
namespace {

struct Target {
  const char* name;
  void (*run)(Bytes);
};
constexpr Target targets[] = {MULTIBUFFER_FUZZ_TARGETS};

class Corpus : public ::testing::TestWithParam<Target> {};

TEST_P(Corpus, KeepsEveryPromise) {
  std::vector<std::string> paths;
  const std::filesystem::path folder(MULTIBUFFER_FUZZ_CORPUS);
  for (const auto& file : std::filesystem::directory_iterator(folder / GetParam().name))
    paths.push_back(file.path().string());
  std::ranges::sort(paths);
  ASSERT_FALSE(paths.empty());
  GetParam().run({});
  for (const std::string& path : paths) {
    SCOPED_TRACE(path);
    // A crash does not say which input it was; the last of these lines does.
    std::fprintf(stderr, "%s\n", path.c_str());
    const std::string bytes = testing::read_file(path);
    GetParam().run({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  }
}

INSTANTIATE_TEST_SUITE_P(Target, Corpus, ::testing::ValuesIn(targets),
                         [](const auto& target) { return std::string(target.param.name); });

}  // namespace
}  // namespace multibuffer::fuzz
