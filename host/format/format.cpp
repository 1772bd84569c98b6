#include <multibuffer/error.hpp>
#include <multibuffer/format.hpp>

#include "host/support/text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <set>
#include <utility>

namespace multibuffer {
namespace {

constexpr bool native_little = std::endian::native == std::endian::little;
constexpr int max_nesting = 64;
constexpr std::size_t max_subarray_axes = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_order(char c) { return std::string_view("@=<>!^").find(c) != std::string_view::npos; }
/// Codes whose count is a length rather than a number of repetitions.
bool has_length(char code) {
  return std::string_view("spuwx").find(code) != std::string_view::npos;
}

void append_hex(std::string& out, std::uint32_t value, int digits) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4)
    out += "0123456789abcdef"[(value >> shift) & 0xf];
}

/// One character of a quoted text, as Python writes it in a bytes literal.
void append_escaped(std::string& out, char c, char quote) {
  const auto code = static_cast<unsigned char>(c);
  if (c == '\t') {
    out += "\\t";
  } else if (c == '\n') {
    out += "\\n";
  } else if (c == '\r') {
    out += "\\r";
  } else if (c == '\\' || c == quote) {
    out += {'\\', c};
  } else if (code >= 0x20 && code < 0x7f) {
    out += c;
  } else {
    out += "\\x";
    append_hex(out, code, 2);
  }
}

std::string quoted(std::string_view characters, char quote) {
  std::string out(1, quote);
  for (const char c : characters) append_escaped(out, c, quote);
  return out + quote;
}

/// Python's choice between '...' and "...".
template <class Characters>
char quote_for(const Characters& characters) {
  using Character = typename Characters::value_type;
  const bool has_single = characters.find(Character{'\''}) != characters.npos;
  const bool has_double = characters.find(Character{'"'}) != characters.npos;
  return has_single && !has_double ? '"' : '\'';
}

/// One character in UTF-8, or as Python escapes what is not a printable character.
void append_code_point(std::string& out, char32_t code, char quote) {
  const auto continuation = [&](int shift) {
    return static_cast<char>(0x80 | ((code >> shift) & 0x3f));
  };
  if (code < 0xa0) {
    append_escaped(out, static_cast<char>(code), quote);
  } else if (code < 0x800) {
    out += {static_cast<char>(0xc0 | (code >> 6)), continuation(0)};
  } else if (code >= 0xd800 && code < 0xe000) {
    out += "\\u";
    append_hex(out, code, 4);
  } else if (code < 0x10000) {
    out += {static_cast<char>(0xe0 | (code >> 12)), continuation(6), continuation(0)};
  } else if (code < 0x110000) {
    out += {static_cast<char>(0xf0 | (code >> 18)), continuation(12), continuation(6),
            continuation(0)};
  } else {
    out += "\\U";
    append_hex(out, code, 8);
  }
}

/// A format string for a message: quoted, and cut where it would drown the message.
std::string quoted_format(std::string_view format) {
  constexpr std::size_t longest = 100;
  return quoted(format.substr(0, longest), '"') + (format.size() > longest ? "..." : "");
}

struct Code {
  char code;
  ScalarKind kind;
  std::int64_t native_size;
  std::int64_t alignment;
  std::int64_t standard_size;  // 0: only native modes know the code
};

template <class Native>
constexpr Code code_of(char code, ScalarKind kind, std::int64_t standard_size) {
  return {code, kind, sizeof(Native), alignof(Native), standard_size};
}

/// The struct module gives g, P and O no standard size, but ctypes writes them after '<' and means
/// the native one.
constexpr std::array known_codes{
    code_of<char>('x', ScalarKind::padding, 1),
    code_of<bool>('?', ScalarKind::boolean, 1),
    code_of<char>('c', ScalarKind::character, 1),
    code_of<signed char>('b', ScalarKind::signed_integer, 1),
    code_of<unsigned char>('B', ScalarKind::unsigned_integer, 1),
    code_of<short>('h', ScalarKind::signed_integer, 2),
    code_of<unsigned short>('H', ScalarKind::unsigned_integer, 2),
    code_of<int>('i', ScalarKind::signed_integer, 4),
    code_of<unsigned>('I', ScalarKind::unsigned_integer, 4),
    code_of<long>('l', ScalarKind::signed_integer, 4),
    code_of<unsigned long>('L', ScalarKind::unsigned_integer, 4),
    code_of<long long>('q', ScalarKind::signed_integer, 8),
    code_of<unsigned long long>('Q', ScalarKind::unsigned_integer, 8),
    code_of<std::ptrdiff_t>('n', ScalarKind::signed_integer, 0),
    code_of<std::size_t>('N', ScalarKind::unsigned_integer, 0),
    code_of<std::uint16_t>('e', ScalarKind::real, 2),
    code_of<float>('f', ScalarKind::real, 4),
    code_of<double>('d', ScalarKind::real, 8),
    code_of<long double>('g', ScalarKind::real, sizeof(long double)),
    code_of<std::complex<float>>('F', ScalarKind::complex, 8),
    code_of<std::complex<double>>('D', ScalarKind::complex, 16),
    code_of<std::complex<long double>>('G', ScalarKind::complex, sizeof(std::complex<long double>)),
    code_of<char>('s', ScalarKind::bytes, 1),
    code_of<char>('p', ScalarKind::pascal, 1),
    code_of<char16_t>('u', ScalarKind::ucs2, 2),
    code_of<char32_t>('w', ScalarKind::ucs4, 4),
    code_of<void*>('P', ScalarKind::pointer, sizeof(void*)),
    code_of<void*>('O', ScalarKind::object, sizeof(void*)),
};

// The parser has one function for each rule of the grammar:
//
//   format = { item }
//   item   = { order } [ shape ] { order } [ number ] type [ ":" name ":" ]
//   order  = "@" | "^" | "=" | "<" | ">" | "!"
//   shape  = "(" number { "," number } ")"
//   type   = "T{" { item } "}" | "&" item without name | "X{" anything balanced "}"
//          | "Z" ( "f" | "d" | "g" ) | code
//
// White space may stand between any two of these, but not between a number and its type.

/// What an order character switches.
struct Mode {
  bool native_size = true;
  bool aligned = true;
  bool little_endian = native_little;
};

Mode mode_of(char order) {
  const bool native_order = order == '@' || order == '^' || order == '=';
  return {.native_size = order == '@' || order == '^',
          .aligned = order == '@',
          .little_endian = native_order ? native_little : order == '<'};
}

struct Item {
  Field field;
  std::int64_t tight_size = 0;    // of the type without padding, as NumPy writes formats
  std::size_t position = 0;       // of the type code
  std::size_t name_position = 0;  // of a name
  bool is_listed = true;          // false for what only moves the next field
};

bool is_padding(const Type& type) { return !type.is_struct && type.kind == ScalarKind::padding; }

/// A sub-array without a struct around it, "(2,3)f": nothing but one field, which has no name.
bool is_subarray(const Type& type) {
  return type.fields.size() == 1 && type.fields[0].name.empty() && !type.fields[0].shape.empty();
}

class Parser {
 public:
  /// `wide_u`: read `u` as four bytes, as ctypes means it.
  Parser(std::string_view format, bool wide_u) : format_(format), wide_u_(wide_u) {}

  Type whole();
  /// Whether an element read so far holds objects; also meaningful after `whole` has thrown.
  bool has_objects() const { return has_objects_; }

  /// Whether NumPy may have meant something else by the text that `whole` has read, for elements of
  /// `itemsize` bytes. NumPy does not write the padding at the end of a struct; holes are x, one by
  /// one, in front of the next field, and every field has a name. It writes '@' only where numbers
  /// are aligned. So a struct that '@' pads here may have ended where its last field does; and
  /// structs in a sub-array may have had some of the x behind it between them.
  bool has_other_reading(std::int64_t itemsize) const {
    const std::int64_t behind = itemsize - tight_size_;
    const bool may_have_gaps = gaps_ > 0 && behind >= gaps_;
    return is_numpy_style_ && tight_is_aligned_ && behind >= 0 &&
           (readings_differ_ || may_have_gaps);
  }

 private:
  std::vector<Item> items();
  Item item();
  Item unnamed_item();
  void note_gaps(const Item& item);
  void orders();
  std::vector<std::int64_t> shape();
  std::int64_t number();
  Type type();
  Type struct_type();
  Type pointer_type();
  Type function_type();
  Type complex_type();
  Type scalar_type(char code) const;
  std::string name();
  Type layout(std::vector<Item> items);
  void check_names(const std::vector<Item>& items) const;

  bool at_end() const { return position_ == format_.size(); }
  bool next_is(char c) const { return !at_end() && format_[position_] == c; }
  void skip_space();
  void expect(char c);
  void enter();
  std::string found() const;
  [[noreturn]] void fail(const std::string& what, std::size_t position) const;
  std::int64_t sum(std::int64_t a, std::int64_t b, std::size_t position) const;
  std::int64_t product(std::int64_t a, std::int64_t b, std::size_t position) const;

  std::string_view format_;
  bool wide_u_;
  std::size_t position_ = 0;
  Mode mode_;
  int nesting_ = 0;
  bool has_objects_ = false;
  bool ends_padded_ = false;  // the last type is a struct that '@' has padded at its end
  // Of the other reading:
  std::int64_t tight_at_ = 0;     // where the next item begins, in the whole element
  std::int64_t tight_size_ = 0;   // of the last type
  bool tight_is_aligned_ = true;  // all that '@' reaches is where NumPy writes one
  bool is_numpy_style_ = true;
  bool readings_differ_ = false;
  std::int64_t gaps_ = 0;   // the structs of a sub-array that nothing but x has followed; 0 if none
  std::int64_t x_run_ = 0;  // how many x
};

Type Parser::whole() {
  // C strings end there: what follows would be lost wherever the format is handed on.
  if (const auto nul = format_.find('\0'); nul != format_.npos) fail("NUL character", nul);
  std::vector<Item> all = items();
  if (!at_end()) fail("'}' without 'T{'", position_);
  const bool is_bare = all.size() == 1 && all[0].field.name.empty() && all[0].field.shape.empty();
  is_numpy_style_ = is_numpy_style_ && is_bare;
  return is_bare ? std::move(all[0].field.type) : layout(std::move(all));
}

std::vector<Item> Parser::items() {
  std::vector<Item> result;
  for (skip_space(); !at_end() && !next_is('}'); skip_space()) result.push_back(item());
  check_names(result);
  return result;
}

Item Parser::item() {
  const bool follows_padded = std::exchange(ends_padded_, false);
  Item result = unnamed_item();
  // NumPy writes the padding at the end of a nested struct as x behind it, where its own reader,
  // and C, have it inside already. Both readings often have the same size.
  if (follows_padded && is_padding(result.field.type))
    fail("ambiguous: 'x' after a struct that '@' has padded already", result.position);
  skip_space();
  if (next_is(':')) {
    result.name_position = position_ + 1;
    result.field.name = name();
    result.is_listed |= !result.field.name.empty();
  }
  note_gaps(result);
  return result;
}

/// Keeps count of where structs in a sub-array may have had room between them.
void Parser::note_gaps(const Item& item) {
  const Field& field = item.field;
  if (is_padding(field.type) && field.name.empty()) {
    if (__builtin_add_overflow(x_run_, field.type.size, &x_run_)) is_numpy_style_ = false;
    readings_differ_ = readings_differ_ || (gaps_ > 0 && x_run_ >= gaps_);
    return;
  }
  if (!field.type.is_struct) gaps_ = 0;
  std::int64_t count = 1;
  for (const std::int64_t extent : field.shape)
    if (__builtin_mul_overflow(count, extent, &count)) is_numpy_style_ = false;
  if (field.type.is_struct && count > 1) {
    gaps_ = count;
    x_run_ = 0;
  }
}

Item Parser::unnamed_item() {
  Item result;
  orders();
  if (next_is('(')) result.field.shape = shape();
  orders();
  const std::size_t count_position = position_;
  const std::int64_t count = !at_end() && is_digit(format_[position_]) ? number() : 1;
  result.position = position_;
  const std::int64_t tight_start = tight_at_;
  result.field.type = type();
  const bool is_repeated = !has_length(format_[result.position]);
  if (!is_repeated)
    result.field.type.size = product(result.field.type.size, count, count_position);
  else if (count != 1)
    result.field.shape.push_back(count);
  result.tight_size = result.field.type.is_struct ? tight_size_ : result.field.type.size;
  // NumPy looks at the first item of a sub-array alone.
  if (!result.field.type.is_struct && tight_start % result.field.type.alignment != 0)
    tight_is_aligned_ = false;
  bool overflows = false;
  std::int64_t tight = result.tight_size;
  for (const std::int64_t extent : result.field.shape)
    overflows = __builtin_mul_overflow(tight, extent, &tight) || overflows;
  overflows = __builtin_add_overflow(tight_start, tight, &tight_at_) || overflows;
  if (overflows) is_numpy_style_ = false;  // whether it is too large is for `layout` to say
  if (result.field.shape.size() > max_subarray_axes)
    fail(text("more than ", max_subarray_axes, " axes"), result.position);
  // "0d" only aligns what follows, as in the struct module.
  result.is_listed = !is_padding(result.field.type) && !(is_repeated && count == 0);
  return result;
}

void Parser::orders() {
  for (skip_space(); !at_end() && is_order(format_[position_]); skip_space())
    mode_ = mode_of(format_[position_++]);
}

std::vector<std::int64_t> Parser::shape() {
  std::vector<std::int64_t> extents;
  do {
    ++position_;  // past the '(' or ','
    skip_space();
    extents.push_back(number());
    skip_space();
  } while (next_is(','));
  expect(')');
  return extents;
}

std::int64_t Parser::number() {
  const char* const first = format_.data() + position_;
  std::int64_t value = 0;
  if (at_end() || !is_digit(*first)) fail("expected a number, found " + found(), position_);
  const auto [end, error] = std::from_chars(first, format_.data() + format_.size(), value);
  if (error != std::errc()) fail("number does not fit in 64 bits", position_);
  position_ += static_cast<std::size_t>(end - first);
  return value;
}

Type Parser::type() {
  if (at_end()) fail("expected a type code, found " + found(), position_);
  switch (const char code = format_[position_]) {
    case 'T':
      return struct_type();
    case '&':
      return pointer_type();
    case 'X':
      return function_type();
    case 'Z':
      return complex_type();
    case 't':
      fail("bit fields ('t') are not supported", position_);
    default: {
      Type result = scalar_type(code);
      has_objects_ |= result.kind == ScalarKind::object;
      ++position_;
      return result;
    }
  }
}

Type Parser::struct_type() {
  ++position_;
  enter();
  expect('{');
  ends_padded_ = false;
  gaps_ = 0;
  std::vector<Item> all = items();
  for (const Item& item : all) {
    const bool is_hole = is_padding(item.field.type) && item.field.type.size == 1;
    if (item.field.name.empty() && (!is_hole || &item == &all.back())) is_numpy_style_ = false;
  }
  Type result = layout(std::move(all));
  const std::size_t end = position_;
  expect('}');
  --nesting_;
  if (const std::int64_t excess = result.size % result.alignment; excess != 0) {
    result.size = sum(result.size, result.alignment - excess, end);
    ends_padded_ = true;
  }
  return result;
}

Type Parser::pointer_type() {
  Type pointer = scalar_type('P');
  const bool had_objects = has_objects_;
  const bool was_aligned = tight_is_aligned_;
  const bool differed = readings_differ_;
  const bool was_numpy_style = is_numpy_style_;
  const std::int64_t was_at = tight_at_;
  ++position_;
  enter();
  unnamed_item();
  --nesting_;
  has_objects_ = had_objects;  // what it points to is not part of the element
  tight_is_aligned_ = was_aligned;
  readings_differ_ = differed;
  is_numpy_style_ = was_numpy_style;
  tight_at_ = was_at;
  ends_padded_ = false;
  return pointer;
}

Type Parser::function_type() {
  Type pointer = scalar_type('P');
  ++position_;
  expect('{');
  for (int open = 1; open != 0; ++position_) {
    if (at_end()) expect('}');
    open += next_is('{') ? 1 : next_is('}') ? -1 : 0;
  }
  return pointer;
}

Type Parser::complex_type() {
  ++position_;
  if (!next_is('f') && !next_is('d') && !next_is('g'))
    fail("expected 'f', 'd' or 'g' after 'Z', found " + found(), position_);
  const char upper = next_is('f') ? 'F' : next_is('d') ? 'D' : 'G';
  Type result = scalar_type(upper);
  ++position_;
  return result;
}

Type Parser::scalar_type(char code) const {
  const char known = code == 'u' && wide_u_ ? 'w' : code;
  const auto row = std::ranges::find(known_codes, known, &Code::code);
  if (row == known_codes.end()) fail("expected a type code, found " + found(), position_);
  const std::int64_t size = mode_.native_size ? row->native_size : row->standard_size;
  if (size == 0)
    fail(text("'", code, "' has no standard size, only '@' and '^' give it one"), position_);
  Type result;
  result.kind = row->kind;
  result.size = size;
  result.alignment = mode_.aligned ? row->alignment : 1;
  result.little_endian = size == 1 || mode_.little_endian;
  return result;
}

std::string Parser::name() {
  const std::size_t first = position_ + 1;
  const std::size_t end = format_.find(':', first);
  if (end == format_.npos) fail("field name without a ':' after it", first);
  position_ = end + 1;
  return std::string(format_.substr(first, end - first));
}

void Parser::check_names(const std::vector<Item>& items) const {
  std::set<std::string_view> names;
  for (const Item& item : items) {
    const std::string& name = item.field.name;
    if (!name.empty() && !names.insert(name).second)
      fail("duplicate field name " + quoted(name, '\''), item.name_position);
  }
}

/// Places the items one after another, each where its alignment lets it start.
Type Parser::layout(std::vector<Item> items) {
  Type result;
  result.is_struct = true;
  result.size = 0;
  std::int64_t tight = 0;  // where the next item is in the other reading; at most where it is here
  for (auto& [field, tight_size, position, name_position, is_listed] : items) {
    const std::int64_t excess = result.size % field.type.alignment;
    field.offset = excess ? sum(result.size, field.type.alignment - excess, position) : result.size;
    std::int64_t count = 1;
    for (const std::int64_t extent : field.shape) count = product(count, extent, position);
    result.size = sum(field.offset, product(field.type.size, count, position), position);
    readings_differ_ = readings_differ_ || (is_listed && tight != field.offset) ||
                       (count > 1 && tight_size != field.type.size);
    tight += tight_size * count;
    if (mode_.aligned) result.alignment = std::max(result.alignment, field.type.alignment);
    if (is_listed) result.fields.push_back(std::move(field));
  }
  tight_size_ = tight;
  return result;
}

void Parser::skip_space() {
  while (!at_end() && is_space(format_[position_])) ++position_;
}

void Parser::expect(char c) {
  if (!next_is(c)) fail(text("expected '", c, "', found ", found()), position_);
  ++position_;
}

/// Keeps hostile formats from exhausting the stack, here and in whoever walks the type.
void Parser::enter() {
  if (++nesting_ > max_nesting) fail(text("nested deeper than ", max_nesting), position_ - 1);
}

std::string Parser::found() const {
  return at_end() ? "the end" : quoted(format_.substr(position_, 1), '\'');
}

void Parser::fail(const std::string& what, std::size_t position) const {
  throw Error(Errc::invalid_format,
              text(what, " at position ", position, " of ", quoted_format(format_)));
}

std::int64_t Parser::sum(std::int64_t a, std::int64_t b, std::size_t position) const {
  std::int64_t result = 0;
  if (__builtin_add_overflow(a, b, &result)) fail("size does not fit in 64 bits", position);
  return result;
}

std::int64_t Parser::product(std::int64_t a, std::int64_t b, std::size_t position) const {
  std::int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) fail("size does not fit in 64 bits", position);
  return result;
}

/// Whether elements of this type may follow each other at distances of `itemsize`: it is the type's
/// size, or that with the padding of its end, which the struct module leaves out.
bool fits(const Type& type, std::int64_t itemsize) {
  const std::int64_t padding = itemsize - type.size;
  return padding == 0 ||
         (padding > 0 && padding < type.alignment && itemsize % type.alignment == 0);
}

struct Reading {
  Type type;
  std::string complaint;
  bool has_objects = false;
};

/// What `format` means if its elements have `itemsize` bytes.
Reading read_format(std::string_view format, std::int64_t itemsize, bool wide_u) {
  Reading result;
  Parser parser(format, wide_u);
  try {
    Type type = parser.whole();
    if (fits(type, itemsize) && parser.has_other_reading(itemsize)) {
      result.complaint =
          text("the format ", quoted_format(format),
               " is ambiguous: NumPy leaves out the padding at the end of a struct in "
               "it, PEP 3118 does not, and the itemsize ",
               itemsize, " has room for both");
    } else if (fits(type, itemsize)) {
      result.type = std::move(type);
      result.type.size = itemsize;
    } else {
      result.complaint = text("the format ", quoted_format(format), " takes ", type.size,
                              " bytes, but the itemsize is ", itemsize);
    }
  } catch (const Error& error) {
    result.complaint = error.what();
  }
  result.has_objects = parser.has_objects();
  return result;
}

constexpr int most_items = 16;           // of one sub-array
constexpr std::int64_t most_bytes = 32;  // in hexadecimal
constexpr std::int64_t most_characters = 64;
constexpr std::size_t most_text = 4096;  // after which sub-arrays end

template <class Number>
Number read(const std::byte* bytes, bool little_endian) {
  std::array<std::byte, sizeof(Number)> copy;
  std::copy_n(bytes, copy.size(), copy.begin());
  if (little_endian != native_little) std::ranges::reverse(copy);
  Number number;
  std::memcpy(&number, copy.data(), copy.size());
  return number;
}

float read_half(const std::byte* bytes, bool little_endian) {
  const auto bits = read<std::uint16_t>(bytes, little_endian);
  const int exponent = (bits >> 10) & 0x1f;
  const int fraction = bits & 0x3ff;
  float magnitude = 0;
  if (exponent == 0)
    magnitude = std::ldexp(static_cast<float>(fraction), -24);
  else if (exponent < 31)
    magnitude = std::ldexp(static_cast<float>(fraction + 0x400), exponent - 25);
  else
    magnitude = fraction == 0 ? std::numeric_limits<float>::infinity()
                              : std::numeric_limits<float>::quiet_NaN();
  return bits & 0x8000 ? -magnitude : magnitude;
}

/// The shortest digits that read back as the same number, with an exponent where Python's repr
/// has one.
template <class Real>
std::string real_text(Real value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 64> buffer;
  const auto digits = [&](std::chars_format format) {
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format).ptr;
    return std::string(buffer.data(), end);
  };
  std::string scientific = digits(std::chars_format::scientific);
  const char* const last = scientific.data() + scientific.size();
  const char* first = scientific.data() + scientific.find('e') + 1;
  if (*first == '+') ++first;  // which from_chars does not read
  int exponent = 0;
  std::from_chars(first, last, exponent);
  if (exponent < -4 || exponent >= 16) return scientific;
  return digits(std::chars_format::fixed);
}

std::string with_point(const std::string& number) {
  const bool is_integer = number.find_first_not_of("-0123456789") == number.npos;
  return is_integer ? number + ".0" : number;
}

/// Calls `visit` with the value of the real number of `size` bytes.
template <class Visitor>
std::string visit_real(const std::byte* bytes, std::int64_t size, bool little_endian,
                       const Visitor& visit) {
  switch (size) {
    case 2:
      return visit(read_half(bytes, little_endian));
    case 4:
      return visit(read<float>(bytes, little_endian));
    case 8:
      return visit(read<double>(bytes, little_endian));
    default:
      return visit(read<long double>(bytes, little_endian));
  }
}

std::string real(const Type& type, const std::byte* element) {
  return visit_real(element, type.size, type.little_endian,
                    [](auto value) { return with_point(real_text(value)); });
}

/// Python leaves out a real part of zero, but not of minus zero.
std::string complex(const Type& type, const std::byte* element) {
  const std::int64_t half = type.size / 2;
  const auto part = [&](std::int64_t offset) {
    return visit_real(element + offset, half, type.little_endian,
                      [](auto value) { return real_text(value); });
  };
  const std::string first = part(0);
  std::string second = part(half) + "j";
  if (first == "0") return second;
  return "(" + first + (second.starts_with('-') ? "" : "+") + second + ")";
}

std::uint64_t read_unsigned(const Type& type, const std::byte* element) {
  switch (type.size) {
    case 1:
      return read<std::uint8_t>(element, type.little_endian);
    case 2:
      return read<std::uint16_t>(element, type.little_endian);
    case 4:
      return read<std::uint32_t>(element, type.little_endian);
    default:
      return read<std::uint64_t>(element, type.little_endian);
  }
}

std::int64_t read_signed(const Type& type, const std::byte* element) {
  const auto unused_bits = static_cast<int>(64 - 8 * type.size);
  return static_cast<std::int64_t>(read_unsigned(type, element) << unused_bits) >> unused_bits;
}

std::string pointer(const Type& type, const std::byte* element) {
  std::array<char, 16> digits;
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), read_unsigned(type, element), 16)
          .ptr;
  return "0x" + std::string(digits.data(), end);
}

std::string hexadecimal(const std::byte* bytes, std::int64_t size) {
  std::string out = "0x";
  for (std::int64_t i = 0; i < std::min(size, most_bytes); ++i)
    append_hex(out, std::to_integer<std::uint32_t>(bytes[i]), 2);
  return out + (size > most_bytes ? "..." : "");
}

std::string bytes_text(const std::byte* bytes, std::int64_t size) {
  const std::string_view characters(reinterpret_cast<const char*>(bytes),
                                    static_cast<std::size_t>(std::min(size, most_characters)));
  return "b" + quoted(characters, quote_for(characters)) + (size > most_characters ? "..." : "");
}

std::string pascal(const Type& type, const std::byte* element) {
  if (type.size == 0) return "b''";
  return bytes_text(element + 1, std::min(std::to_integer<std::int64_t>(*element), type.size - 1));
}

std::u32string decode_ucs4(const Type& type, const std::byte* element) {
  std::u32string codes;
  for (std::int64_t at = 0; at < type.size; at += 4)
    codes += read<char32_t>(element + at, type.little_endian);
  return codes;
}

/// UTF-16; half of a surrogate pair stays what it is.
std::u32string decode_ucs2(const Type& type, const std::byte* element) {
  std::u32string codes;
  for (std::int64_t at = 0; at < type.size; at += 2) {
    const char32_t unit = read<char16_t>(element + at, type.little_endian);
    const bool ends_pair = unit >= 0xdc00 && unit < 0xe000 && !codes.empty() &&
                           codes.back() >= 0xd800 && codes.back() < 0xdc00;
    if (ends_pair)
      codes.back() = 0x10000 + ((codes.back() - 0xd800) << 10) + (unit - 0xdc00);
    else
      codes += unit;
  }
  return codes;
}

/// NUL characters at the end fill the element up, and are not shown.
std::string unicode(std::u32string codes) {
  codes.erase(codes.find_last_not_of(U'\0') + 1);
  const bool is_long = codes.size() > most_characters;
  if (is_long) codes.resize(most_characters);
  const char quote = quote_for(codes);
  std::string out(1, quote);
  for (const char32_t code : codes) append_code_point(out, code, quote);
  return out + quote + (is_long ? "..." : "");
}

std::string scalar(const Type& type, const std::byte* element) {
  switch (type.kind) {
    case ScalarKind::padding:
      return hexadecimal(element, type.size);
    case ScalarKind::boolean:
      return *element == std::byte{0} ? "False" : "True";
    case ScalarKind::character:
    case ScalarKind::bytes:
      return bytes_text(element, type.size);
    case ScalarKind::signed_integer:
      return std::to_string(read_signed(type, element));
    case ScalarKind::unsigned_integer:
      return std::to_string(read_unsigned(type, element));
    case ScalarKind::real:
      return real(type, element);
    case ScalarKind::complex:
      return complex(type, element);
    case ScalarKind::pascal:
      return pascal(type, element);
    case ScalarKind::ucs2:
      return unicode(decode_ucs2(type, element));
    case ScalarKind::ucs4:
      return unicode(decode_ucs4(type, element));
    case ScalarKind::pointer:
    case ScalarKind::object:
      return pointer(type, element);
  }
  return {};
}

/// Writes elements of nested types one after another into one text.
class Writer {
 public:
  std::string take() { return std::move(out_); }
  void type(const Type& type, const std::byte* element);

 private:
  void structure(const Type& type, const std::byte* element);
  void field(const Field& field, const std::byte* element);
  void items(const Field& field, std::size_t axis, const std::byte*& next, int& left);

  std::string out_;
};

void Writer::type(const Type& type, const std::byte* element) {
  if (!type.is_struct)
    out_ += scalar(type, element);
  else if (is_subarray(type))
    field(type.fields[0], element);
  else
    structure(type, element);
}

void Writer::structure(const Type& type, const std::byte* element) {
  out_ += '{';
  for (std::size_t i = 0; i < type.fields.size(); ++i) {
    const Field& member = type.fields[i];
    out_ += i == 0 ? "" : ", ";
    out_ += member.name.empty() ? std::to_string(i) : member.name;
    out_ += ": ";
    field(member, element);
  }
  out_ += '}';
}

void Writer::field(const Field& field, const std::byte* element) {
  const std::byte* next = element + field.offset;
  int left = most_items;
  items(field, 0, next, left);
}

/// The items of a sub-array from `axis` on, of which `next` is the first in memory. The limits hold
/// for its items and for the whole text: items of no bytes can be any number.
void Writer::items(const Field& field, std::size_t axis, const std::byte*& next, int& left) {
  if (axis == field.shape.size()) {
    type(field.type, next);
    next += field.type.size;
    --left;
    return;
  }
  out_ += '[';
  for (std::int64_t i = 0; i < field.shape[axis]; ++i) {
    out_ += i == 0 ? "" : ", ";
    if (left <= 0 || out_.size() > most_text) {
      out_ += "...";
      break;
    }
    items(field, axis + 1, next, left);
  }
  out_ += ']';
}

/// The code of a scalar, with its length where it has one.
std::string code_text(const Type& type) {
  const auto sized = [&](std::string_view codes) {  // of 1, 2, 4 and 8 bytes
    return std::string(
        1,
        codes[static_cast<std::size_t>(std::countr_zero(static_cast<std::uint64_t>(type.size)))]);
  };
  const auto real_code = [](std::int64_t size) {
    return std::string(1, size == 2 ? 'e' : size == 4 ? 'f' : size == 8 ? 'd' : 'g');
  };
  switch (type.kind) {
    case ScalarKind::padding:
      return std::to_string(type.size) + "x";
    case ScalarKind::boolean:
      return "?";
    case ScalarKind::character:
      return "c";
    case ScalarKind::signed_integer:
      return sized("bhiq");
    case ScalarKind::unsigned_integer:
      return sized("BHIQ");
    case ScalarKind::real:
      return real_code(type.size);
    case ScalarKind::complex:
      return "Z" + real_code(type.size / 2);
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
  }
  return {};
}

/// Whether only '^' and '@' give it a size, for readers other than ours.
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
      if (!field.name.empty()) out_ += ":" + field.name + ":";
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

}  // namespace

Format::Format() : text_("B"), itemsize_(1) {}

Format::Format(std::string_view format, std::int64_t itemsize)
    : text_(format), itemsize_(itemsize) {
  if (itemsize < 1)
    throw Error(Errc::invalid_view, multibuffer::text("itemsize ", itemsize, " is less than 1"));
  const Reading narrow = read_format(text_, itemsize, false);
  const Reading wide = narrow.complaint.empty() ? narrow : read_format(text_, itemsize, true);
  const Reading& reading = wide.complaint.empty() ? wide : narrow;
  type_ = reading.type;
  why_opaque_ = reading.complaint;
  has_objects_ = reading.has_objects;
}

const Type& Format::type() const {
  if (opaque()) throw Error(Errc::format_unsupported, why_opaque_);
  return type_;
}

Format Format::bytes(std::int64_t itemsize, std::string why, bool has_objects) {
  Format result(multibuffer::text(itemsize, 's'), itemsize);
  result.why_opaque_ = std::move(why);
  result.has_objects_ = has_objects;
  return result;
}

Type parse_format(std::string_view format) { return Parser(format, false).whole(); }

namespace {

bool holds_objects(const Type& type) {
  if (!type.is_struct) return type.kind == ScalarKind::object;
  return std::ranges::any_of(type.fields,
                             [](const Field& field) { return holds_objects(field.type); });
}

/// Why no format says this type; empty if one does.
std::string unsayable(const Type& type) {
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

std::string show_element(const Format& format, const std::byte* element) {
  if (format.opaque()) return hexadecimal(element, format.itemsize());
  Writer writer;
  writer.type(format.type(), element);
  return writer.take();
}

}  // namespace multibuffer
