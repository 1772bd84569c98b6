#include "host/interop/numpy_type.hpp"

#include "host/support/text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <string>
#include <utility>

namespace multibuffer {
namespace {

/// NumPy's codes for the numbers there are.
struct Code {
  std::string_view text;
  ScalarKind kind;
  std::int64_t size;
};
constexpr std::array codes{Code{"b1", ScalarKind::boolean, 1},
                           Code{"i1", ScalarKind::signed_integer, 1},
                           Code{"i2", ScalarKind::signed_integer, 2},
                           Code{"i4", ScalarKind::signed_integer, 4},
                           Code{"i8", ScalarKind::signed_integer, 8},
                           Code{"u1", ScalarKind::unsigned_integer, 1},
                           Code{"u2", ScalarKind::unsigned_integer, 2},
                           Code{"u4", ScalarKind::unsigned_integer, 4},
                           Code{"u8", ScalarKind::unsigned_integer, 8},
                           Code{"f2", ScalarKind::real, 2},
                           Code{"f4", ScalarKind::real, 4},
                           Code{"f8", ScalarKind::real, 8},
                           Code{"f16", ScalarKind::real, 16},
                           Code{"c8", ScalarKind::complex, 8},
                           Code{"c16", ScalarKind::complex, 16},
                           Code{"c32", ScalarKind::complex, 32}};

using Name = std::pair<std::string_view, std::string_view>;
constexpr std::array<Name, 14> names{{{"bool", "b1"},
                                      {"int8", "i1"},
                                      {"int16", "i2"},
                                      {"int32", "i4"},
                                      {"int64", "i8"},
                                      {"uint8", "u1"},
                                      {"uint16", "u2"},
                                      {"uint32", "u4"},
                                      {"uint64", "u8"},
                                      {"float16", "f2"},
                                      {"float32", "f4"},
                                      {"float64", "f8"},
                                      {"complex64", "c8"},
                                      {"complex128", "c16"}}};

/// V for those that NumPy has no letter for.
char letter_of(ScalarKind kind) {
  switch (kind) {
    case ScalarKind::boolean:
      return 'b';
    case ScalarKind::signed_integer:
      return 'i';
    case ScalarKind::unsigned_integer:
    case ScalarKind::pointer:
      return 'u';
    case ScalarKind::real:
      return 'f';
    case ScalarKind::complex:
      return 'c';
    case ScalarKind::character:
    case ScalarKind::bytes:
      return 'S';
    case ScalarKind::ucs4:
      return 'U';
    default:
      return 'V';
  }
}

}  // namespace

std::string type_string(const Type& type) {
  const char letter = type.is_struct ? 'V' : letter_of(type.kind);
  const bool ordered = type.size > 1 && letter != 'S' && letter != 'V';
  const char order = !ordered ? '|' : type.little_endian ? '<' : '>';
  return text(order, letter, letter == 'U' ? type.size / 4 : type.size);
}

std::optional<Format> format_of_dtype_name(std::string_view name) {
  if (name == "bfloat16") return Format("bfloat16", 2);
  bool little_endian = std::endian::native == std::endian::little;
  if (const auto* const named = std::ranges::find(names, name, &Name::first);
      named != names.end()) {
    name = named->second;
  } else if (!name.empty() && std::string_view("<>=|").find(name[0]) != std::string_view::npos) {
    if (name[0] == '<' || name[0] == '>') little_endian = name[0] == '<';
    name.remove_prefix(1);
  }
  const auto* const code = std::ranges::find(codes, name, &Code::text);
  if (code == codes.end()) return std::nullopt;
  const bool is_long_double = code->text == "f16" || code->text == "c32";
  if (is_long_double && sizeof(long double) != 16) return std::nullopt;
  Type type;
  type.kind = code->kind;
  type.size = code->size;
  type.little_endian = little_endian || type.size == 1;
  return format_of(type);
}

}  // namespace multibuffer
