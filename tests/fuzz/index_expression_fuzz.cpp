#include <multibuffer/error.hpp>
#include <multibuffer/layout.hpp>

#include "host/cli/index_expression.hpp"
#include "tests/fuzz/targets.hpp"
#include "tests/testing/random_array.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace multibuffer::fuzz {
namespace {

/// A layout whose strides tell every axis from all others, and index 0 from index 1.
Layout layout_of(const std::vector<std::int64_t>& shape) {
  std::vector<Axis> axes;
  std::int64_t stride = 1;
  for (const std::int64_t extent : shape) axes.push_back({extent, stride *= 101, 0});
  return Layout(axes, {0});
}

Layout applied(Layout layout, const std::vector<ViewOperation>& operations) {
  for (const ViewOperation& operation : operations) layout = layout.apply(operation);
  return layout;
}

/// Writes an expression, and does to `layout` what it says by the functions that a program calls.
std::string write_expression(testing::Random& random, const std::vector<std::int64_t>& shape,
                             Layout& layout) {
  std::string expression;
  const auto spaces = [&] { return std::string(random.chance(10) ? 2 : 0, ' '); };
  const auto add = [&](const std::string& item) {
    if (!expression.empty()) expression += ",";
    expression += spaces() + item + spaces();
  };
  int at = 0;
  // Many axes take long, and an input that has ended says yes to all that is asked.
  const int most_axes = random.chance(98) ? 8 : max_axes;
  const int ellipsis = random.chance(30) ? random.between(0, static_cast<int>(shape.size())) : -1;
  for (std::size_t axis = 0; axis < shape.size();) {
    if (layout.ndim() < most_axes && random.chance(15)) {
      add("None");
      layout = layout.insert_axis(at++);
      continue;
    }
    if (static_cast<int>(axis) == ellipsis) {
      add("...");
      const auto skipped =
          static_cast<std::size_t>(random.between(0, static_cast<int>(shape.size() - axis)));
      // The other axes are all named, so that it stands for those that are skipped.
      at += static_cast<int>(skipped);
      axis += skipped;
      if (skipped > 0 || axis == shape.size()) continue;
    }
    const std::int64_t extent = shape[axis++];
    if (extent > 0 && random.chance(40)) {
      const std::int64_t index = random.between(-extent, extent - 1);
      add(text(index));
      layout = layout.index(at, index);
      continue;
    }
    Slice slice;
    std::string written;
    const auto bound = [&](std::optional<std::int64_t>& value) {
      if (random.chance(40)) return;
      value = random.chance(90) ? random.between(-2 * extent - 1, 2 * extent + 1)
                                : static_cast<std::int64_t>(random.next());
      if (*value == INT64_MIN) value = 0;  // Python's integers go further
      written += text(*value);
    };
    bound(slice.start);
    written += ":";
    bound(slice.stop);
    if (random.chance(50)) {
      slice.step = random.pick<std::int64_t>({1, 2, 3, -1, -2, 7, INT64_MAX, -INT64_MAX});
      written += text(":", slice.step);
    }
    add(written);
    layout = layout.slice(at++, slice);
  }
  if (expression.empty()) expression = "...";
  return random.chance(20) ? "[" + expression + "]" : expression;
}

}  // namespace

void index_expression(Bytes bytes) {
  testing::Random random(bytes);
  std::vector<std::int64_t> shape;
  for (int axes = random.between(0, 5); axes > 0; --axes)
    shape.push_back(random.chance(90) ? random.between(std::int64_t{0}, std::int64_t{9})
                                      : std::int64_t{1} << random.between(0, 55));
  const Layout layout = layout_of(shape);
  if (random.chance(40) && std::ranges::all_of(shape, [](auto extent) { return extent < 100; })) {
    Layout expected = layout;
    const std::string expression = write_expression(random, shape, expected);
    try {
      require(applied(layout, cli::parse_index(expression, shape)) == expected, "'", expression,
              "' of ", tuple_text(shape), " is another view");
    } catch (const Error& error) {
      // An ellipsis of no axes may come twice; nothing else is wrong with it.
      require(expression.find("...") != expression.rfind("..."), error.what());
    }
    return;
  }
  const Bytes rest = random.rest();
  const std::string given(rest.begin(), rest.end());
  try {
    const std::vector<ViewOperation> operations = cli::parse_index(given, shape);
    applied(layout, operations);  // what was accepted can be done
  } catch (const Error& error) {
    // No array has the widest of these layouts.
    require(error.code() == Errc::invalid_argument || error.code() == Errc::index_out_of_range ||
                error.code() == Errc::size_overflow,
            error.what());
  }
  try {
    const std::int64_t extent = shape.empty() ? 10 : std::min<std::int64_t>(shape[0], 50);
    for (const std::int64_t index : cli::parse_index_list(given, extent)) static_cast<void>(index);
  } catch (const Error& error) {
    require(error.code() == Errc::invalid_argument, error.what());
  }
}

}  // namespace multibuffer::fuzz
