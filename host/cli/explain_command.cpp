#include "host/cli/explain_command.hpp"

#include <multibuffer/error.hpp>
#include <multibuffer/explain.hpp>

#include "host/cli/array_input.hpp"
#include "host/cli/index_expression.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/standard_streams.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iostream>
#include <string_view>
#include <utility>

namespace multibuffer::cli {
namespace {

std::string_view trimmed(std::string_view words) {
  while (!words.empty() && words.front() == ' ') words.remove_prefix(1);
  while (!words.empty() && words.back() == ' ') words.remove_suffix(1);
  return words;
}

}  // namespace

std::vector<std::int64_t> parse_element(const std::string& given) {
  std::string_view rest = trimmed(given);
  if (rest.size() >= 2 &&
      ((rest.front() == '[' && rest.back() == ']') || (rest.front() == '(' && rest.back() == ')')))
    rest = trimmed(rest.substr(1, rest.size() - 2));
  std::vector<std::int64_t> index;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view word = trimmed(rest.substr(0, comma));
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error != std::errc{} || end != word.data() + word.size())
      throw Failure(Errc::invalid_argument,
                    text("--at ", given, ": '", word,
                         "' is no integer; an element has one for each axis, as in --at 3,1,2"));
    index.push_back(number);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return index;
}

int run_explain(const ExplainOptions& options, std::stop_token stop) {
  Progress progress(std::move(stop));
  const ArrayInput input(options.inputs, options.join, progress);
  ArrayView view = input.view();
  if (options.index)
    for (const ViewOperation& operation : parse_index(*options.index, view.shape()))
      view = view.apply(operation);
  const std::vector<std::int64_t> index = parse_element(options.at);
  const Explanation explanation = progress.run("explain", [&](const Watch& watch) {
    return explain(view, index, {options.placement, watch});
  });
  if (options.json) {
    std::cout << to_json(explanation) << '\n';
    return 0;
  }
  std::cout << input.name() << ": " << describe(explanation, text_style(std::cout));
  return 0;
}

}  // namespace multibuffer::cli
