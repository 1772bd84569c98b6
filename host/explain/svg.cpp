#include "host/explain/svg.hpp"

#include "host/explain/utf8.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cmath>

namespace multibuffer {
namespace {

constexpr std::string_view style_sheet = R"(
.mb-picture{--paper:#fff;--ink:#1f2328;--soft:#59636e;--table:#fff3c4;--table-line:#b08800;
--leaf:#dbeafe;--leaf-line:#4a7ab8;--out:#eef0f2;--out-line:#c5ccd3;--out-ink:#6a737d;
--arrow:#8b949e;--way:#8250df;--here:#e5d3ff;--bad:#cf222e;--hatch:#b4bcc4}
@media (prefers-color-scheme:dark){.mb-picture{--paper:#0d1117;--ink:#e6edf3;--soft:#9da7b3;
--table:#3a2f0b;--table-line:#bb8009;--leaf:#10294a;--leaf-line:#4a7fc4;--out:#171c23;
--out-line:#333b45;--out-ink:#8b949e;--arrow:#6e7681;--way:#b18aff;--here:#3f2870;--bad:#ff7b72;
--hatch:#444c56}}
.mb-picture text{fill:var(--ink);font-family:monospace}
.mb-picture .prose{font-family:sans-serif}
.mb-picture .heading{font-family:sans-serif;font-weight:bold}
.mb-picture .soft{fill:var(--soft)}
.mb-picture .name{font-weight:bold}
.mb-picture .paper{fill:var(--paper)}
.mb-picture .table{fill:var(--table);stroke:var(--table-line)}
.mb-picture .leaf{fill:var(--leaf);stroke:var(--leaf-line)}
.mb-picture .out{fill:var(--out);stroke:var(--out-line)}
.mb-picture .here{fill:var(--here);stroke:var(--way);stroke-width:2.5}
.mb-picture .hole{fill:url(#mb-hatch);stroke:var(--out-line);stroke-dasharray:2 2}
.mb-picture .wrong{fill:var(--bad);fill-opacity:.5;stroke:var(--bad);stroke-width:2}
.mb-picture text.out-text{fill:var(--out-ink);stroke:none}
.mb-picture text.way-text{fill:var(--way);font-weight:bold}
.mb-picture text.bad-text{fill:var(--bad);font-weight:bold}
.mb-picture .arrow,.mb-picture .way,.mb-picture .bad{fill:none;stroke:var(--arrow);stroke-width:1.2}
.mb-picture .way{stroke:var(--way);stroke-width:2}
.mb-picture .bad{stroke:var(--bad);stroke-width:2;stroke-dasharray:5 3}
.mb-picture .head-arrow{fill:var(--arrow)}
.mb-picture .head-way,.mb-picture .disc-way{fill:var(--way)}
.mb-picture .head-bad,.mb-picture .disc-bad{fill:var(--bad)}
.mb-picture text.number{fill:var(--paper);font-family:sans-serif;font-weight:bold}
.mb-picture .hatch{stroke:var(--hatch)}
)";

constexpr std::string_view definitions =
    "<defs><pattern id=\"mb-hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
    "patternTransform=\"rotate(45)\"><path d=\"M 0 0 V 6\" class=\"hatch\" "
    "stroke-width=\"2\"/></pattern>\n";

std::string marker(std::string_view style) {
  return text("<marker id=\"mb-", style,
              "\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" "
              "markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"head-",
              style, "\" d=\"M 0 0 L 8 4 L 0 8 z\"/></marker>\n");
}

double rounded(double number) { return std::round(number * 10) / 10; }

void append_utf8(std::string& out, char32_t point) {
  const auto byte = [&](char32_t bits) { out += static_cast<char>(bits); };
  if (point < 0x80) {
    byte(point);
  } else if (point < 0x800) {
    byte(0xc0 | point >> 6);
    byte(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    byte(0xe0 | point >> 12);
    byte(0x80 | (point >> 6 & 0x3f));
    byte(0x80 | (point & 0x3f));
  } else {
    byte(0xf0 | point >> 18);
    byte(0x80 | (point >> 12 & 0x3f));
    byte(0x80 | (point >> 6 & 0x3f));
    byte(0x80 | (point & 0x3f));
  }
}

}  // namespace

double text_width(std::string_view words, double size) {
  double characters = 0;
  // Those of East Asian scripts, and pictures, are twice as wide.
  while (!words.empty()) characters += next_code_point(words) >= 0x1100 ? 2 : 1;
  return characters * size * 0.605;
}

std::string escaped(std::string_view words) {
  std::string out;
  while (!words.empty()) {
    const char32_t point = next_code_point(words);
    const bool is_allowed =
        (point >= 0x20 && point != 0x7f && point != 0xfffe && point != 0xffff) || point == '\t' ||
        point == '\n';
    if (point == '&')
      out += "&amp;";
    else if (point == '<')
      out += "&lt;";
    else if (point == '>')
      out += "&gt;";
    else if (point == '"')
      out += "&quot;";
    else
      append_utf8(out, is_allowed ? point : 0xfffd);
  }
  return out;
}

void Svg::reach(double x, double y) {
  width_ = std::max(width_, x);
  height_ = std::max(height_, y);
}

void Svg::rect(double x, double y, double width, double height, std::string_view style,
               std::string_view tip) {
  reach(x + width, y + height);
  body_ += multibuffer::text("<rect x=\"", rounded(x), "\" y=\"", rounded(y), "\" width=\"",
                             rounded(width), "\" height=\"", rounded(height), "\" class=\"", style);
  body_ += tip.empty() ? std::string("\"/>\n")
                       : multibuffer::text("\"><title>", escaped(tip), "</title></rect>\n");
}

void Svg::text(double x, double y, std::string_view words, std::string_view style, Anchor anchor,
               double size) {
  const double width = text_width(words, size);
  reach(anchor == Anchor::start ? x + width : anchor == Anchor::middle ? x + width / 2 : x, y + 4);
  const char* const anchored = anchor == Anchor::start    ? ""
                               : anchor == Anchor::middle ? " text-anchor=\"middle\""
                                                          : " text-anchor=\"end\"";
  body_ += multibuffer::text("<text x=\"", rounded(x), "\" y=\"", rounded(y), "\" font-size=\"",
                             size, "\" class=\"", style, "\"", anchored, " xml:space=\"preserve\">",
                             escaped(words), "</text>\n");
}

void Svg::arrow(const std::string& commands, std::string_view style) {
  body_ += multibuffer::text("<path d=\"", commands, "\" class=\"", style,
                             "\" marker-end=\"url(#mb-", style, ")\"/>\n");
}

void Svg::line(const std::string& commands, std::string_view style) {
  body_ += multibuffer::text("<path d=\"", commands, "\" class=\"", style, "\"/>\n");
}

void Svg::badge(double x, double y, std::string_view number, std::string_view style) {
  reach(x + 8, y + 8);
  body_ += multibuffer::text("<circle cx=\"", rounded(x), "\" cy=\"", rounded(y),
                             "\" r=\"8\" class=\"disc-", style, "\"/>\n");
  text(x, y + 3.5, number, "number", Anchor::middle, small_size);
}

std::string Svg::document(std::string_view title, std::string_view description) const {
  constexpr double edge = 16;
  const double width = std::ceil(width_ + edge);
  const double height = std::ceil(height_ + edge);
  return multibuffer::text(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"mb-picture\" role=\"img\" width=\"", width,
      "\" height=\"", height, "\" viewBox=\"0 0 ", width, ' ', height, "\">\n<title>",
      escaped(title), "</title>\n<desc>", escaped(description), "</desc>\n<style>", style_sheet,
      "</style>\n", definitions, marker("arrow"), marker("way"), marker("bad"),
      "</defs>\n<rect class=\"paper\" width=\"", width, "\" height=\"", height, "\"/>\n", body_,
      "</svg>\n");
}

std::string path_to(char command, double x, double y) {
  return text(command, ' ', rounded(x), ' ', rounded(y), ' ');
}

std::string path_curve(double x1, double y1, double x2, double y2, double x, double y) {
  return text("C ", rounded(x1), ' ', rounded(y1), ' ', rounded(x2), ' ', rounded(y2), ' ',
              rounded(x), ' ', rounded(y), ' ');
}

}  // namespace multibuffer
