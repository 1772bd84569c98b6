#pragma once

#include <multibuffer/scalar_kind.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace multibuffer {

struct Field;

/// An element type as PEP 3118 spells it: a scalar, or a struct of fields.
struct Type {
  bool is_struct = false;
  ScalarKind kind = ScalarKind::unsigned_integer;  ///< of a scalar
  RealEncoding encoding = RealEncoding::ieee;      ///< of a real; `ieee` for all others
  /// Names what a `datetime` or a `timedelta` counts, as NumPy writes it: "s", "25us"; empty for a
  /// generic unit, and for all others.
  std::string unit = {};
  bool little_endian = true;   ///< of a scalar of more than one byte
  std::int64_t size = 1;       ///< bytes, of one element of this type
  std::int64_t alignment = 1;  ///< bytes; 1 where `@` does not reach
  std::vector<Field> fields;   ///< of a struct, in order, padding left out
};

/// One member of a struct: `shape` repeats the type in C order, `(2,3)f`; a count is a last axis of
/// it, `3i`. At most 64 axes.
struct Field {
  std::string name;         ///< empty where the format gives none
  std::int64_t offset = 0;  ///< bytes from the start of the element
  std::vector<std::int64_t> shape;
  Type type;
};

/// A buffer's format: the string, and what it means.
///
/// The grammar is that of PEP 3118 with what NumPy, ctypes and array.array emit (see
/// `parse_format`). A format that cannot be understood, that has two readings, or whose size is not
/// the itemsize, is *opaque*: its elements are still moved exactly as bytes, but nothing that needs
/// their meaning works on them.
///
/// Two readings: NumPy leaves out the padding at the end of a nested struct, or writes it as `x`
/// behind that; PEP 3118 and C have it inside where `@` holds. "T{T{i:a:b:b:}:n:b:k:}" of 12 bytes
/// has `k` at 5 or at 8. Where both readings fit the itemsize and differ, the format is opaque.
///
/// The itemsize decides where exporters differ: a struct without `T{}` may have the padding of its
/// end or not ("ib" is 5 bytes for the struct module, 8 for NumPy), and `u` is four bytes (then
/// `ucs4`), as ctypes means it, where two do not fit. Nothing else is guessed.
class Format {
 public:
  /// Unsigned bytes, "B".
  Format();
  /// `format` with the exporter's `itemsize` in bytes. Never throws for the text: what cannot be
  /// understood is opaque, and `why_opaque` says why. Throws `invalid_view` if `itemsize` < 1.
  Format(std::string_view format, std::int64_t itemsize);
  /// Makes an opaque format of `itemsize` bytes; `why` says why its meaning is unknown. Its text is
  /// that of as many bytes ("5s"). `has_objects`: elements may hold references to Python objects.
  static Format bytes(std::int64_t itemsize, std::string why, bool has_objects = false);

  const std::string& text() const noexcept { return text_; }
  std::int64_t itemsize() const noexcept { return itemsize_; }
  bool opaque() const noexcept { return !why_opaque_.empty(); }
  const std::string& why_opaque() const noexcept { return why_opaque_; }
  /// Returns the type of an element. Throws `format_unsupported`, naming the format, if it is
  /// opaque.
  const Type& type() const;
  /// Returns true if elements hold references to Python objects, which must not be copied as bytes.
  /// For an opaque format it is true if the part of the text that could be understood has any.
  bool has_objects() const noexcept { return has_objects_; }

  /// Compares text and itemsize. An opaque format equals opaque formats only.
  bool operator==(const Format& other) const noexcept {
    return text_ == other.text_ && itemsize_ == other.itemsize_ && opaque() == other.opaque();
  }

 private:
  std::string text_;
  std::int64_t itemsize_;
  std::string why_opaque_;
  bool has_objects_ = false;
  Type type_;
};

/// Parses a whole format string into one element type. Several items without `T{}` around them
/// ("ib") make a struct, as in the struct module, and so does one item with a name or a sub-array
/// (one field, of that shape).
///
/// Codes: `x c b B ? h H i I l L q Q n N e f d g s p P F D G u w O & X{} Zf Zd Zg t`, counts,
/// `T{}`, `(2,3)` sub-arrays, `:name:`, and `@ = < > ! ^`, which last until the next one, into
/// `T{}` and out of it. The reals that PEP 3118 has no code for stand by their names, which only
/// this library reads: `bfloat16`, `>bfloat16`, `T{float8_e5m2:x:}` (see `RealEncoding`); and so do
/// NumPy's dates and time spans, of 8 bytes: `datetime64[s]`, `>timedelta64[25us]`. Only `@`
/// (the default) aligns; `@` and `^` use native sizes. Without them `n` and `N` are errors, and
/// `g`, `P` and `O` keep their native size. White space between items is ignored. Bit fields (`t`)
/// are understood far enough to be refused by name.
///
/// - The count of `s p u w x` is a length. Other counts are a last axis: `3i` is one field of shape
///   (3), as in NumPy; `1i` is `i`. A count of 0 without a name is no field, and only aligns.
/// - `T{}` is padded at its end to its alignment if `@` holds there; items without `T{}` are not.
/// - `x` is no field, unless it has a name (`ScalarKind::padding`); alone it is raw bytes, NumPy's
///   void. Right after a `T{}` that was padded as above it is an error: NumPy exports nested
///   aligned structs like this, and means the padding that is in the struct already.
///
/// Throws `invalid_format` with the position in the text, counted from 0.
Type parse_format(std::string_view format);

/// Returns true if PEP 3118 has a code for each scalar in `type`; it has none for `bfloat16`, the
/// floats of 8 bits, dates and time spans.
bool has_standard_codes(const Type& type);

/// Returns true for one of NumPy's dates or time spans: an int64 that counts units, whose least
/// number is "not a time".
bool is_date(const Type& type);

/// Returns true if all scalars in elements of `type` are in this machine's byte order.
bool is_native(const Type& type);

/// Returns how many bytes are byte-swapped together in a scalar: complex numbers and strings are
/// several such units; 1 where byte order means nothing.
std::int64_t swapped_bytes(const Type& scalar);

/// Returns `type` in this machine's byte order.
Type native_type(const Type& type);

/// Returns true if elements of both types, or formats, hold the same values in the same bytes,
/// however they are spelt: on most machines "l", "q" and "<q" do. Opaque formats must be equal.
bool same_meaning(const Type& a, const Type& b);
bool same_meaning(const Format& a, const Format& b);

/// A format that means `type`, whatever it was parsed from: a code, or `T{}` with every offset and
/// byte order written out, as NumPy reads it too. It is opaque where no format can say the type:
/// fields that overlap or are not in the order of their offsets, names with a ':' or a NUL in them.
/// Throws `invalid_view` for a type of no bytes.
Format format_of(const Type& type);

/// One element as a person would write it: `7`, `-0.5`, `(1+2j)`, `b'ab'`, `{x: 1, y: 2}`,
/// `[[1, 2], [3, 4]]`; opaque elements and padding as hexadecimal bytes. Scalars look as in Python;
/// pointers and objects are addresses, unnamed fields go by their position. What is long ends in
/// `...`: after 16 items of a sub-array, 32 bytes in hexadecimal, 64 characters of a string.
/// `element` has `format.itemsize()` bytes, at any alignment.
std::string show_element(const Format& format, const std::byte* element);

}  // namespace multibuffer
