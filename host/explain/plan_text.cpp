#include <multibuffer/explain.hpp>

#include "host/explain/json.hpp"
#include "host/explain/words.hpp"
#include "host/support/text.hpp"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace multibuffer {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string percent(double part) {
  return text(static_cast<std::int64_t>(std::round(part * 100)), " %");
}

/// A size with the bytes themselves: what is compared with figures of a profiler.
std::string bytes_words(std::int64_t bytes) { return count_text(bytes, "byte", "bytes"); }

std::string time_words(double seconds) {
  return seconds < 1e-3 ? text(std::round(seconds * 1e7) / 10, " us")
                        : text(std::round(seconds * 1e5) / 100, " ms");
}

std::string speed_words(std::int64_t bytes, double seconds) {
  return text(std::round(static_cast<double>(bytes) / seconds / 1e8) / 10, " GB/s");
}

std::string rows_words(const PlanExplanation& plan) {
  return text(count_text(plan.rows, "row", "rows"), " of ", bytes_words(plan.run_bytes),
              plan.differ ? " on average" : "", ", each contiguous");
}

std::string expected_words(const PlanExplanation& plan) {
  std::string words = text(percent(plan.expected), " of a plain copy's speed");
  if (plan.bytes_fetched > plan.bytes_read)
    words += text(", since memory reads whole lines: ", bytes_words(plan.bytes_fetched));
  return words;
}

Rows rows_of(const PlanExplanation& plan) {
  Rows rows{{"device", plan.device}, {"taken", plan.taken.name}, {"which needs", plan.taken.needs}};
  if (plan.rows == 0) return rows;
  for (const PlanExplanation::Way& way : plan.passed_over)
    rows.push_back({text("not ", way.name), text("needs ", way.needs)});
  for (const PlanExplanation::Fact& fact : plan.facts) rows.push_back({fact.name, fact.value});
  rows.push_back({"copied at a time", rows_words(plan)});
  rows.push_back({"elements read", bytes_words(plan.bytes_read)});
  rows.push_back({"elements written", bytes_words(plan.bytes_written)});
  rows.push_back({"entries looked up", bytes_words(plan.bytes_of_tables)});
  rows.push_back({"indices read", bytes_words(plan.bytes_of_indices)});
  rows.push_back({"to be expected", expected_words(plan)});
  if (!plan.measured) return rows;
  const std::int64_t moved = plan.bytes_read + plan.bytes_written;
  const PlanExplanation::Measured& measured = *plan.measured;
  rows.push_back(
      {"a plain copy", text(time_words(measured.copy_seconds), ", ",
                            speed_words(moved, measured.copy_seconds), " read and written")});
  rows.push_back({"the plan", text(time_words(measured.run_seconds), ", ",
                                   speed_words(moved, measured.run_seconds), ": ",
                                   percent(measured.reached), " of the copy")});
  return rows;
}

void write_way(JsonWriter& json, const PlanExplanation::Way& way) {
  json.object().key("name").words(way.name).key("needs").words(way.needs).end();
}

}  // namespace

std::string describe(const PlanExplanation& explanation, TextStyle style) {
  const Rows rows = rows_of(explanation);
  if (style == TextStyle::aligned) return columns_text(rows);
  std::string lines;
  for (const auto& row : rows) lines += text(row[0], ": ", row[1], '\n');
  return lines;
}

std::string to_json(const PlanExplanation& explanation) {
  JsonWriter json;
  json.object().key("device").words(explanation.device).key("taken");
  write_way(json, explanation.taken);
  json.key("passed_over").list();
  for (const PlanExplanation::Way& way : explanation.passed_over) write_way(json, way);
  json.end().key("facts").object();
  for (const PlanExplanation::Fact& fact : explanation.facts) json.key(fact.name).words(fact.value);
  json.end();
  const std::pair<const char*, std::int64_t> numbers[] = {
      {"rows", explanation.rows},
      {"run_bytes", explanation.run_bytes},
      {"bytes_read", explanation.bytes_read},
      {"bytes_written", explanation.bytes_written},
      {"bytes_of_tables", explanation.bytes_of_tables},
      {"bytes_of_indices", explanation.bytes_of_indices},
      {"bytes_fetched", explanation.bytes_fetched}};
  for (const auto& [name, number] : numbers) json.key(name).number(number);
  json.key("differ").truth(explanation.differ);
  json.key("expected").real(explanation.expected).key("measured");
  if (!explanation.measured) return json.null().end().text();
  return json.object()
      .key("copy_seconds")
      .real(explanation.measured->copy_seconds)
      .key("run_seconds")
      .real(explanation.measured->run_seconds)
      .key("reached")
      .real(explanation.measured->reached)
      .end()
      .end()
      .text();
}

}  // namespace multibuffer
