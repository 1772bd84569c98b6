#include "host/cli/index_expression.hpp"

#include <multibuffer/error.hpp>

#include "host/support/text.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>

namespace multibuffer::cli {
namespace {

constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// Returns the text and, below it, a mark at byte `position`.
std::string marked(std::string_view text, std::size_t position) {
  if (text.empty()) return " (it is empty)";
  std::string line(text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  std::size_t column = 0;  // in characters: UTF-8 encodes some in several bytes
  for (const char c : text.substr(0, position)) {
    if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) ++column;
  }
  return "\n    " + line + "\n    " + std::string(column, ' ') + "^";
}

struct Item {
  enum class Kind { index, slice, ellipsis, new_axis };
  Kind kind = Kind::index;
  std::size_t position = 0;
  std::int64_t index = 0;
  Slice slice{};
};

/// Reads items between commas. `what` is the option's name, for messages.
class Scanner {
 public:
  Scanner(const char* what, std::string_view text) : what_(what), text_(text) {}

  std::vector<Item> items() {
    std::vector<Item> items;
    const bool bracketed = take("[");
    do {
      skip_space();
      const bool after_comma = !items.empty();
      if (at_end() || peek() == ']') {
        if (!after_comma) fail("expected an index");
        break;  // Python allows a comma after the last one
      }
      items.push_back(item());
    } while (take(","));
    if (bracketed && !take("]")) fail("expected ',' or ']'");
    skip_space();
    if (!at_end()) fail(bracketed ? "expected nothing after ']'" : "expected ','");
    return items;
  }

  [[noreturn]] void fail(const std::string& problem) const { fail(problem, position_); }
  [[noreturn]] void fail(const std::string& problem, std::size_t position,
                         Errc code = Errc::invalid_argument) const {
    throw Failure(code, text(what_, ": ", problem, marked(text_, position)));
  }

 private:
  Item item() {
    Item item{.position = position_};
    if (take("...")) {
      item.kind = Item::Kind::ellipsis;
    } else if (is_letter(peek())) {
      name();
      item.kind = Item::Kind::new_axis;
    } else {
      index_or_slice(item);
    }
    return item;
  }

  void name() {
    const std::size_t start = position_;
    while (is_letter(peek()) || is_digit(peek()) || peek() == '.') ++position_;
    const std::string_view name = text_.substr(start, position_ - start);
    if (name == "None" || name == "newaxis" || name == "np.newaxis") return;
    position_ = start;
    fail("expected an integer, a slice, '...' or None");
  }

  void index_or_slice(Item& item) {
    const std::optional<std::int64_t> first = integer();
    if (!take(":")) {
      if (!first) fail_at_item();
      item.index = *first;
      return;
    }
    item.kind = Item::Kind::slice;
    item.slice.start = first;
    item.slice.stop = integer();
    if (!take(":")) return;
    skip_space();
    const std::size_t position = position_;
    item.slice.step = integer().value_or(1);
    if (item.slice.step == 0) fail("the step of a slice cannot be 0", position);
  }

  [[noreturn]] void fail_at_item() const {
    if (peek() == '[' || peek() == '(') {
      fail("expected an integer or a slice; lists of indices go to --take");
    }
    fail("expected an integer, a slice, '...' or None");
  }

  // Integers beyond 64 bits saturate: no axis is as long, and slices end at the ends of the axis
  // anyway.
  std::optional<std::int64_t> integer() {
    skip_space();
    const std::size_t start = position_;
    const bool negative = take("-");
    if (!negative) take("+");
    skip_space();
    if (!is_digit(peek())) {
      if (position_ != start) fail("expected digits");
      return {};
    }
    std::int64_t value = 0;
    for (; is_digit(peek()); ++position_) {
      const std::int64_t digit = peek() - '0';
      value = value > (largest - digit) / 10 ? largest : value * 10 + digit;
    }
    if (peek() == '.' || is_letter(peek())) fail("expected an integer", start);
    return negative ? -value : value;
  }

  bool at_end() const { return position_ == text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[position_]; }

  void skip_space() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n') ++position_;
  }

  bool take(std::string_view token) {
    skip_space();
    if (!text_.substr(position_).starts_with(token)) return false;
    position_ += token.size();
    return true;
  }

  const char* what_;
  std::string_view text_;
  std::size_t position_ = 0;
};

bool takes_axis(const Item& item) {
  return item.kind == Item::Kind::index || item.kind == Item::Kind::slice;
}

/// Turns items into view operations, from the first axis to the last.
class Lowering {
 public:
  Lowering(const Scanner& scanner, std::span<const std::int64_t> shape)
      : scanner_(scanner), shape_(shape) {}

  std::vector<ViewOperation> operations(std::span<const Item> items) {
    check(items);
    for (const Item& item : items) {
      switch (item.kind) {
        case Item::Kind::index:
          index(item);
          break;
        case Item::Kind::slice:
          slice(item);
          break;
        case Item::Kind::ellipsis:
          axis_ += omitted_;
          source_ += omitted_;
          break;
        case Item::Kind::new_axis:
          operations_.emplace_back(InsertAxis{axis_++});
          break;
      }
    }
    return std::move(operations_);
  }

 private:
  void check(std::span<const Item> items) {
    const auto ndim = static_cast<int>(shape_.size());
    const auto count = static_cast<int>(std::ranges::count_if(items, takes_axis));
    bool ellipsis = false;
    int taken = 0;
    for (const Item& item : items) {
      if (takes_axis(item) && ++taken > ndim) {
        scanner_.fail(text("too many indices: ", count, " for an array of ", ndim,
                           ndim == 1 ? " axis" : " axes", ", shape ", tuple_text(shape_)),
                      item.position);
      }
      if (item.kind != Item::Kind::ellipsis) continue;
      if (ellipsis) scanner_.fail("only one '...' can be told how long it is", item.position);
      ellipsis = true;
    }
    omitted_ = ndim - count;
  }

  void index(const Item& item) {
    const std::int64_t extent = shape_[static_cast<std::size_t>(source_)];
    if (item.index < -extent || item.index >= extent) {
      scanner_.fail(text("axis ", source_, " has no index ", item.index, "; its extent is ", extent,
                         ", the shape is ", tuple_text(shape_)),
                    item.position, Errc::index_out_of_range);
    }
    operations_.emplace_back(IndexAxis{axis_, item.index});
    ++source_;
  }

  void slice(const Item& item) {
    const Slice& slice = item.slice;
    const bool whole = !slice.start && !slice.stop && slice.step == 1;
    if (!whole) operations_.emplace_back(SliceAxis{axis_, slice});
    ++axis_;
    ++source_;
  }

  const Scanner& scanner_;
  std::span<const std::int64_t> shape_;
  std::vector<ViewOperation> operations_{};
  int omitted_ = 0;  // number of axes that '...' stands for
  int axis_ = 0;     // axis of the array after the operations so far
  int source_ = 0;   // axis of the original array
};

// Returns the first index of a slice and the number of indices, as Python's slice.indices.
struct Range {
  std::int64_t start = 0;
  std::int64_t count = 0;
};

Range range_of(const Slice& slice, std::int64_t extent) {
  const bool forwards = slice.step > 0;
  const std::int64_t low = forwards ? 0 : -1;
  const std::int64_t high = forwards ? extent : extent - 1;
  const auto bound = [&](std::optional<std::int64_t> value, std::int64_t missing) {
    if (!value) return missing;
    return std::clamp(*value < 0 ? *value + extent : *value, low, high);
  };
  const std::int64_t start = bound(slice.start, forwards ? low : high);
  const std::int64_t stop = bound(slice.stop, forwards ? high : low);
  if (forwards ? start >= stop : start <= stop) return {};
  const std::int64_t distance = forwards ? stop - start : start - stop;
  const std::int64_t step = forwards ? slice.step : -slice.step;
  return {start, (distance - 1) / step + 1};
}

}  // namespace

std::vector<ViewOperation> parse_index(std::string_view text, std::span<const std::int64_t> shape) {
  Scanner scanner("--index", text);
  const std::vector<Item> items = scanner.items();
  return Lowering(scanner, shape).operations(items);
}

std::vector<std::int64_t> parse_index_list(std::string_view text, std::int64_t extent) {
  Scanner scanner("--take", text);
  std::vector<std::int64_t> indices;
  for (const Item& item : scanner.items()) {
    if (!takes_axis(item)) scanner.fail("expected an integer or a range", item.position);
    if (item.kind == Item::Kind::index) {
      indices.push_back(item.index);
      continue;
    }
    const Range range = range_of(item.slice, extent);
    for (std::int64_t i = 0; i < range.count; ++i) {
      indices.push_back(range.start + i * item.slice.step);
    }
  }
  return indices;
}

}  // namespace multibuffer::cli
