#include "host/explain/words.hpp"

#include "host/support/text.hpp"

#include <algorithm>

namespace multibuffer {

const char* name_of(PlacementKind kind) {
  switch (kind) {
    case PlacementKind::automatic:
      return "automatic";
    case PlacementKind::packed:
      return "packed";
    case PlacementKind::preserved:
      return "preserved";
    case PlacementKind::in_place:
      return "in place";
  }
  return "";
}

const char* name_of(StepKind kind) {
  switch (kind) {
    case StepKind::start:
      return "start";
    case StepKind::origin:
      return "origin";
    case StepKind::stride:
      return "stride";
    case StepKind::follow:
      return "follow";
    case StepKind::suboffset:
      return "suboffset";
  }
  return "";
}

std::string device_words(const Device& device) {
  return device.kind() == DeviceKind::host ? "the host" : device.name();
}

std::string index_text(std::span<const std::int64_t> index) {
  std::string out = "[";
  for (std::size_t i = 0; i < index.size(); ++i) out += text(i == 0 ? "" : ", ", index[i]);
  return out + ']';
}

std::string signed_text(std::int64_t number) {
  if (number >= 0) return text("+ ", number);
  return text("- ", 0 - static_cast<std::uint64_t>(number));
}

std::string grouped_text(std::int64_t number) {
  std::string digits = text(number);
  const std::size_t first = number < 0 ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) digits.insert(at -= 3, 1, ',');
  return digits;
}

std::string count_text(std::int64_t count, std::string_view singular, std::string_view plural) {
  return text(grouped_text(count), ' ', count == 1 ? singular : plural);
}

std::string shortened_text(std::string_view words, std::size_t most) {
  return words.size() <= most ? std::string(words) : text(words.substr(0, most), "...");
}

namespace {

std::string format_words(const Format& format) {
  return text(", format '", shortened_text(format.text(), 60), "'");
}

}  // namespace

std::string array_words(std::span<const std::int64_t> shape, const Format& format) {
  return text("array of shape ", tuple_text(shape), format_words(format));
}

std::string rows_words(std::span<const std::int64_t> shape, const Format& format) {
  std::string words = text(count_text(shape[0], "row", "rows"), " of up to ",
                           count_text(shape[1], "item", "items"));
  if (shape.size() > 2) words += text(" of shape ", tuple_text(shape.subspan(2)));
  return words + format_words(format);
}

std::string columns_text(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string lines;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += "  " + row[i];
      line.append(widths[i] - row[i].size(), ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    lines += line + '\n';
  }
  return lines;
}

}  // namespace multibuffer
