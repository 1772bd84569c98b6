#include <multibuffer/error.hpp>
#include <multibuffer/format.hpp>

#include "host/format/dates.hpp"
#include "host/format/quoted.hpp"
#include "host/format/scalar_type.hpp"
#include "host/support/native_order.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace multibuffer {
namespace {

/// Returns the code of a scalar, with its length where it has one; nothing for a number that is not
/// in the table.
std::string code_text(const Type& type) {
  switch (type.kind) {
    case ScalarKind::padding:
      return std::to_string(type.size) + "x";
    case ScalarKind::character:
      return "c";
    case ScalarKind::bytes:
      return std::to_string(type.size) + "s";
    case ScalarKind::pascal:
      return std::to_string(type.size) + "p";
    case ScalarKind::ucs2:
      return std::to_string(type.size / 2) + "u";
    case ScalarKind::ucs4:
      return std::to_string(type.size / 4) + "w";
    case ScalarKind::pointer:
      return "P";
    case ScalarKind::object:
      return "O";
    case ScalarKind::datetime:
    case ScalarKind::timedelta:
      return date_name(type);
    default: {
      const ScalarRow* const row = find_scalar(type.kind, type.size, type.encoding);
      return row ? std::string(row->format) : std::string();
    }
  }
}

/// Returns true if only '^' and '@' give the type a size, for readers other than this library.
bool is_native_alone(const Type& type) {
  const bool is_real = type.kind == ScalarKind::real || type.kind == ScalarKind::complex;
  const std::int64_t real = type.kind == ScalarKind::complex ? type.size / 2 : type.size;
  return (is_real && real > 8) || type.kind == ScalarKind::pointer ||
         type.kind == ScalarKind::object;
}

/// Writes a type so that nothing is left to alignment: the byte order stands before the first code
/// that needs another one, and holes are `x`.
class FormatWriter {
 public:
  std::string take() { return std::move(out_); }

  void type(const Type& type) {
    if (type.is_struct) return structure(type);
    const bool is_native = type.little_endian == native_little;
    const char order = !is_native ? (native_little ? '>' : '<') : is_native_alone(type) ? '^' : '=';
    if (type.size > 1 && order != order_) out_ += order_ = order;
    out_ += code_text(type);
  }

 private:
  void structure(const Type& type) {
    if (order_ == '@') out_ += order_ = '=';
    out_ += "T{";
    std::int64_t end = 0;
    const auto hole_to = [&](std::int64_t offset) {
      if (offset > end) out_ += std::to_string(offset - end) + "x";
    };
    for (const Field& field : type.fields) {
      hole_to(field.offset);
      if (!field.shape.empty()) {
        out_ += '(';
        for (std::size_t i = 0; i < field.shape.size(); ++i)
          out_ += (i == 0 ? "" : ",") + std::to_string(field.shape[i]);
        out_ += ')';
      }
      this->type(field.type);
      if (!field.name.empty())
        out_ += ":" + field.name + ":";
      else if (!field.type.is_struct && !has_standard_codes(field.type))
        out_ += ' ';  // or the next code would be taken for a part of the name
      std::int64_t size = field.type.size;
      for (const std::int64_t extent : field.shape) size *= extent;
      end = field.offset + size;
    }
    hole_to(type.size);
    out_ += "}";
  }

  std::string out_;
  char order_ = '@';
};

bool holds_objects(const Type& type) {
  if (!type.is_struct) return type.kind == ScalarKind::object;
  return std::ranges::any_of(type.fields,
                             [](const Field& field) { return holds_objects(field.type); });
}

/// Returns why no format says this type; empty if one does.
std::string unsayable(const Type& type) {
  if (!type.is_struct && code_text(type).empty())
    return text("no format has a number of this kind of ", type.size, " bytes");
  std::int64_t end = 0;
  for (const Field& field : type.fields) {
    for (const char c : {':', '\0'})
      if (field.name.find(c) != field.name.npos)
        return text("no format has a field name with a ", quoted({&c, 1}, '\''), " in it, as ",
                    quoted(field.name, '\''));
    std::int64_t size = field.type.size;
    for (const std::int64_t extent : field.shape) size *= extent;
    if (field.offset < end)
      return text("no format has fields that overlap, or are in another order than in memory, as ",
                  quoted(field.name, '\''), " at ", field.offset);
    end = field.offset + size;
    if (std::string why = unsayable(field.type); !why.empty()) return why;
  }
  if (type.is_struct && end > type.size)
    return text("fields reach to byte ", end, " of elements that have ", type.size);
  return {};
}
}  // namespace

Format format_of(const Type& type) {
  if (std::string why = unsayable(type); !why.empty())
    return Format::bytes(type.size, std::move(why), holds_objects(type));
  // A scalar alone in native order needs no order character.
  if (!type.is_struct && (type.size == 1 || type.little_endian == native_little))
    return Format(code_text(type), type.size);
  FormatWriter writer;
  writer.type(type);
  return Format(writer.take(), type.size);
}

}  // namespace multibuffer
