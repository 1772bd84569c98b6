#include "host/format/dates.hpp"

#include "host/support/native_order.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <system_error>

namespace multibuffer {
namespace {

constexpr std::string_view point_name = "datetime64";
constexpr std::string_view span_name = "timedelta64";

bool is_word_over(std::string_view rest) {
  if (rest.empty()) return true;
  const char c = rest[0];
  return c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z');
}

}  // namespace

std::string date_name(const Type& type) {
  const std::string_view name = type.kind == ScalarKind::datetime ? point_name : span_name;
  return type.unit.empty() ? std::string(name) : text(name, '[', type.unit, ']');
}

std::optional<DateName> find_date_name(std::string_view text) {
  const bool is_span = text.starts_with(span_name);
  if (!is_span && !text.starts_with(point_name)) return {};
  DateName found;
  found.length = (is_span ? span_name : point_name).size();
  found.type.kind = is_span ? ScalarKind::timedelta : ScalarKind::datetime;
  found.type.size = 8;
  found.type.alignment = 8;
  found.type.little_endian = native_little;
  const std::string_view rest = text.substr(found.length);
  if (!rest.starts_with('[')) return is_word_over(rest) ? std::optional(found) : std::nullopt;
  const std::size_t end = rest.find(']');
  if (end == rest.npos) return {};
  std::optional<std::string> unit = date_unit(rest.substr(1, end - 1));
  if (!unit) return {};
  found.type.unit = *std::move(unit);
  found.length += end + 1;
  return found;
}

std::optional<std::string> date_unit(std::string_view written) {
  constexpr std::array<std::string_view, 13> units = {"Y",  "M",  "W",  "D",  "h",  "m", "s",
                                                      "ms", "us", "ns", "ps", "fs", "as"};
  std::int32_t count = 1;  // NumPy's own type for it
  const auto [end, error] = std::from_chars(written.data(), written.data() + written.size(), count);
  if (error == std::errc::result_out_of_range || count < 0) return {};
  written.remove_prefix(static_cast<std::size_t>(end - written.data()));
  if (std::ranges::find(units, written) == units.end()) return {};
  return count == 1 ? std::string(written) : text(count, written);
}

}  // namespace multibuffer
