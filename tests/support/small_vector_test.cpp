#include "host/support/small_vector.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

using multibuffer::SmallVector;

// Strings with memory of their own: what is lost, freed twice or read after its end, a sanitizer
// sees.
using Strings = SmallVector<std::string, 3>;
using Model = std::vector<std::string>;

std::string word(std::mt19937& random) { return std::string(40, "abcdefgh"[random() % 8]); }

void expect_equal(const Strings& strings, const Model& model) {
  EXPECT_EQ(strings.empty(), model.empty());
  EXPECT_EQ(Model(strings.begin(), strings.end()), model);
}

TEST(SmallVector, is_a_vector_whatever_is_done_with_it) {
  std::mt19937 random(1);
  Strings strings;
  Model model;
  for (int step = 0; step < 5000; ++step) {
    const std::size_t at = model.empty() ? 0 : random() % model.size();
    const auto offset = static_cast<std::ptrdiff_t>(at);
    switch (random() % 9) {
      case 0:
      case 1:
      case 2:
        model.push_back(word(random));
        strings.push_back(model.back());
        break;
      case 3:
        model.insert(model.begin() + offset, word(random));
        strings.insert(strings.begin() + at, model[at]);
        break;
      case 4:
      case 5:
        if (model.empty()) break;
        model.erase(model.begin() + offset);
        strings.erase(strings.begin() + at);
        break;
      case 6: {
        const Strings copy = strings;
        strings = Strings{"something", "else"};
        strings = copy;
        break;
      }
      case 7: {
        Strings moved = std::move(strings);
        strings = std::move(moved);
        break;
      }
      default: {
        const std::size_t size = random() % 7;
        model.resize(size, "new");
        strings.resize(size, "new");
      }
    }
    expect_equal(strings, model);
  }
}

TEST(SmallVector, pushes_an_element_of_its_own_while_it_grows) {
  Strings strings{std::string(40, 'a'), "b", "c"};
  strings.push_back(strings[0]);
  expect_equal(strings, {std::string(40, 'a'), "b", "c", std::string(40, 'a')});
}

TEST(SmallVector, leaves_an_empty_vector_where_it_was_moved_from) {
  for (const std::size_t size : {2U, 5U}) {
    Strings from(size, std::string(40, 'a'));
    const Strings to = std::move(from);
    expect_equal(to, Model(size, std::string(40, 'a')));
    expect_equal(from, {});  // NOLINT(bugprone-use-after-move): that is the point
    from.push_back("b");
    expect_equal(from, {"b"});
  }
}

TEST(SmallVector, compares_elements) {
  EXPECT_EQ((Strings{"a", "b"}), (Strings{"a", "b"}));
  EXPECT_NE((Strings{"a", "b"}), (Strings{"a", "c"}));
  EXPECT_NE((Strings{"a", "b"}), (Strings{"a"}));
}

}  // namespace
