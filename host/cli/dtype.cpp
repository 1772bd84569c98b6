#include "host/cli/dtype.hpp"

#include <multibuffer/error.hpp>

#include "host/files/python_literal.hpp"
#include "host/text.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace multibuffer::cli {
namespace {

using Name = std::pair<std::string_view, const char*>;
constexpr std::array<Name, 14> names{{{"bool", "|b1"},
                                      {"int8", "|i1"},
                                      {"int16", "=i2"},
                                      {"int32", "=i4"},
                                      {"int64", "=i8"},
                                      {"uint8", "|u1"},
                                      {"uint16", "=u2"},
                                      {"uint32", "=u4"},
                                      {"uint64", "=u8"},
                                      {"float16", "=f2"},
                                      {"float32", "=f4"},
                                      {"float64", "=f8"},
                                      {"complex64", "=c8"},
                                      {"complex128", "=c16"}}};

[[noreturn]] void refuse(std::string_view text_given) {
  std::string all;
  for (const Name& name : names) all += text(name.first, ", ");
  throw Error(Errc::invalid_argument, text("--dtype ", text_given, ": there are ", all,
                                           "and type strings of these, such as '>f4'"));
}

}  // namespace

files::NpyType parse_dtype(std::string_view given) {
  const auto* const named = std::ranges::find(names, given, &Name::first);
  std::string code(named != names.end() ? named->second : given);
  const std::size_t letter = code.find_first_not_of("<>=|");
  if (letter == std::string::npos ||
      std::string_view("biufc").find(code[letter]) == std::string::npos)
    refuse(given);
  files::Literal descr;
  descr.kind = files::Literal::Kind::string;
  descr.string = std::move(code);
  try {
    return files::parse_npy_type(descr);
  } catch (const files::NpyTypeError&) {
    refuse(given);
  }
}

}  // namespace multibuffer::cli
