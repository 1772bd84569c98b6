#include "host/format/parse.hpp"

#include <multibuffer/error.hpp>

#include "host/format/dates.hpp"
#include "host/format/quoted.hpp"
#include "host/format/scalar_type.hpp"
#include "host/support/native_order.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <complex>
#include <cstddef>
#include <set>
#include <utility>

namespace multibuffer {
namespace {

constexpr int max_nesting = 64;
constexpr std::size_t max_subarray_axes = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_order(char c) { return std::string_view("@=<>!^").find(c) != std::string_view::npos; }
/// Codes whose count is a length rather than a number of repetitions.
bool has_length(char code) {
  return std::string_view("spuwx").find(code) != std::string_view::npos;
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
//          | "Z" ( "f" | "d" | "g" ) | code | name of a scalar without a code
//          | ( "datetime64" | "timedelta64" ) [ "[" unit "]" ]
//
// White space may stand between any two of these, but not between a number and its type.

/// The settings that an order character switches.
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
class Parser {
 public:
  /// `wide_u`: read `u` as four bytes, as ctypes means it.
  Parser(std::string_view format, bool wide_u) : format_(format), wide_u_(wide_u) {}

  Type whole();
  /// Returns true if an element read so far holds objects; valid after `whole` has thrown, too.
  bool has_objects() const { return has_objects_; }

  /// Returns true if NumPy may have meant something else by the text that `whole` has read, for
  /// elements of `itemsize` bytes. NumPy does not write the padding at the end of a struct; holes
  /// are x, one by one, in front of the next field, and every field has a name. It writes '@' only
  /// where numbers are aligned. So a struct that '@' pads here may have ended where its last field
  /// does; and structs in a sub-array may have had some of the x behind it between them.
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
  const ScalarRow* named_scalar() const;
  Type named_type(const ScalarRow& row);
  Type date_type(DateName date);
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
  // These three belong to the other reading.
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
  if (const ScalarRow* const row = named_scalar()) return named_type(*row);
  if (auto date = find_date_name(format_.substr(position_))) return date_type(*std::move(date));
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

/// Finds the scalar without a code whose name stands here; null if there is none. A name is no row
/// of codes: 'o' is not one.
const ScalarRow* Parser::named_scalar() const {
  const std::string_view rest = format_.substr(position_);
  const auto is_letter = [](char c) { return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z'); };
  const auto length =
      static_cast<std::size_t>(std::ranges::find_if_not(rest, is_letter) - rest.begin());
  return find_scalar([name = rest.substr(0, length)](const ScalarRow& row) {
    return is_named(row) && row.format == name;
  });
}

Type Parser::named_type(const ScalarRow& row) {
  position_ += row.format.size();
  Type result;
  result.kind = row.kind;
  result.encoding = row.encoding;
  result.size = row.size;
  result.alignment = mode_.aligned ? row.size : 1;
  result.little_endian = row.size == 1 || mode_.little_endian;
  return result;
}

Type Parser::date_type(DateName date) {
  position_ += date.length;
  Type& result = date.type;
  if (!mode_.aligned) result.alignment = 1;
  result.little_endian = mode_.little_endian;
  return std::move(result);
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
  throw Failure(Errc::invalid_format,
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

/// Returns true if elements of this type may follow each other at distances of `itemsize`: the
/// type's size, or that with the padding of its end, which the struct module leaves out.
bool fits(const Type& type, std::int64_t itemsize) {
  const std::int64_t padding = itemsize - type.size;
  return padding == 0 ||
         (padding > 0 && padding < type.alignment && itemsize % type.alignment == 0);
}

}  // namespace

/// Reads `format` for elements of `itemsize` bytes.
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

Type parse_format(std::string_view format) { return Parser(format, false).whole(); }

}  // namespace multibuffer
