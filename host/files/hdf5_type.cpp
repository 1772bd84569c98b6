#include "host/files/hdf5_type.hpp"

#include "host/files/hdf5_library.hpp"
#include "host/files/python_literal.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace multibuffer::files::hdf5 {
namespace {

constexpr int deepest = 16;

using Text = std::unique_ptr<char, decltype(H5free_memory)>;

std::string string_of(char* from_library) {
  const Text owned(from_library, H5free_memory);
  if (!owned) throw NpyTypeError("an element type that libhdf5 cannot read");
  return owned.get();
}

/// '<' or '>'.
char order_of(hid_t type) {
  switch (H5Tget_order(type)) {
    case H5T_ORDER_LE:
      return '<';
    case H5T_ORDER_BE:
      return '>';
    default:
      throw NpyTypeError("numbers of an unusual byte order");
  }
}

std::string number_code(hid_t type, char kind) {
  const std::size_t size = H5Tget_size(type);
  return text("'", size == 1 ? '|' : order_of(type), kind, size, "'");
}

std::string integer(hid_t type, char kind) {
  const std::size_t size = H5Tget_size(type);
  const std::size_t bits = H5Tget_precision(type);
  if (!std::has_single_bit(size) || size > 8 || bits != 8 * size || H5Tget_offset(type) != 0)
    throw NpyTypeError(text("integers of ", bits, " bits in ", size, " bytes"));
  return number_code(type, kind);
}

/// Where the bits of a floating-point number are, from its lowest.
struct FloatBits {
  std::size_t size;  ///< bytes
  std::size_t sign;
  std::size_t exponent;
  std::size_t exponent_bits;
  std::size_t mantissa;
  std::size_t mantissa_bits;
  std::size_t bias;
  bool operator==(const FloatBits&) const = default;
};

std::string real(hid_t type) {
  constexpr std::array<FloatBits, 3> ieee{
      {{2, 15, 10, 5, 0, 10, 15}, {4, 31, 23, 8, 0, 23, 127}, {8, 63, 52, 11, 0, 52, 1023}}};
  FloatBits bits{};
  bits.size = H5Tget_size(type);
  bits.bias = H5Tget_ebias(type);
  const bool known = H5Tget_fields(type, &bits.sign, &bits.exponent, &bits.exponent_bits,
                                   &bits.mantissa, &bits.mantissa_bits) >= 0;
  const bool whole = H5Tget_precision(type) == 8 * bits.size && H5Tget_offset(type) == 0 &&
                     H5Tget_norm(type) == H5T_NORM_IMPLIED;
  if (known && whole && std::ranges::find(ieee, bits) != ieee.end()) return number_code(type, 'f');
  if (H5Tequal(type, H5T_NATIVE_LDOUBLE) > 0) return number_code(type, 'f');
  throw NpyTypeError(text("floating-point numbers of ", H5Tget_precision(type), " bits (exponent ",
                          bits.exponent_bits, ", mantissa ", bits.mantissa_bits,
                          "), which are none of IEEE's"));
}

/// h5py's bool: an enum of one byte, FALSE = 0 and TRUE = 1.
bool is_bool(hid_t type) {
  const Id base(H5Tget_super(type));
  if (!base || H5Tget_size(base) != 1 || H5Tget_nmembers(type) != 2) return false;
  for (const char* name : {"FALSE", "TRUE"}) {
    std::int8_t value = -1;
    if (H5Tenum_valueof(type, name, &value) < 0 || value != (name[0] == 'T' ? 1 : 0)) return false;
  }
  return true;
}

std::string descr_of(hid_t type, int depth);

std::string enumeration(hid_t type, int depth) {
  if (is_bool(type)) return "'|b1'";
  const Id base(H5Tget_super(type));
  if (!base) throw NpyTypeError("an enum that libhdf5 cannot read");
  return descr_of(base, depth + 1);
}

std::string opaque(hid_t type) {
  const std::string tag = string_of(H5Tget_tag(type));
  const std::size_t size = H5Tget_size(type);
  constexpr std::string_view numpy = "NUMPY:";  // by h5py: "NUMPY:<M8[ns]"
  if (tag.starts_with(numpy)) {
    try {
      std::string descr = quote(std::string_view(tag).substr(numpy.size()));
      const NpyType known = parse_npy_type(parse_literal(descr));
      if (known.itemsize == static_cast<std::int64_t>(size)) return known.descr;
    } catch (const std::runtime_error&) {  // no type of NumPy's, whatever else it is
    }
  }
  return text("'|V", size, "'");
}

std::vector<std::int64_t> array_extents(hid_t type) {
  const int axes = H5Tget_array_ndims(type);
  if (axes < 0 || axes > H5S_MAX_RANK) throw NpyTypeError("an array that libhdf5 cannot read");
  std::array<hsize_t, H5S_MAX_RANK> extents{};
  if (H5Tget_array_dims2(type, extents.data()) < 0)
    throw NpyTypeError("an array that libhdf5 cannot read");
  return {extents.begin(), extents.begin() + axes};
}

/// A sub-array, as a pair (type, shape).
std::string array(hid_t type, int depth) {
  const Id base(H5Tget_super(type));
  const std::vector<std::int64_t> extents = array_extents(type);
  return text("(", descr_of(base, depth + 1), ", ", tuple_text(extents), ")");
}

bool is_utf8(std::string_view name) {
  for (std::size_t i = 0; i < name.size();) {
    const auto first = static_cast<unsigned char>(name[i]);
    const int more = first < 0x80 ? 0 : first < 0xc2 ? -1 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    if (more < 0 || first > 0xf4 || name.size() - i <= static_cast<std::size_t>(more)) return false;
    for (int k = 1; k <= more; ++k)
      if ((static_cast<unsigned char>(name[i + static_cast<std::size_t>(k)]) & 0xc0) != 0x80)
        return false;
    i += static_cast<std::size_t>(more) + 1;
  }
  return true;
}

/// A member of a compound.
struct Member {
  std::string name;
  std::string descr;
  std::size_t offset = 0;
  std::size_t size = 0;
};

Member member_of(hid_t type, unsigned number, int depth) {
  Member member;
  member.name = string_of(H5Tget_member_name(type, number));
  if (!is_utf8(member.name)) throw NpyTypeError("a member whose name is not UTF-8");
  const Id inner(H5Tget_member_type(type, number));
  if (!inner) throw NpyTypeError("a member that libhdf5 cannot read");
  try {
    member.descr = descr_of(inner, depth + 1);
  } catch (const NpyTypeError& error) {
    throw NpyTypeError(text(error.what(), " (in the member '", member.name, "')"));
  }
  member.offset = H5Tget_member_offset(type, number);
  member.size = H5Tget_size(inner);
  return member;
}

/// Two real numbers `r` and `i`, as h5py writes a complex number.
std::optional<std::string> complex_number(const std::vector<Member>& members, std::size_t size) {
  if (members.size() != 2 || members[0].name != "r" || members[1].name != "i") return {};
  const auto& [name, descr, offset, half] = members[0];
  const bool real = descr.size() > 2 && descr[2] == 'f' && half >= 4 && members[1].descr == descr;
  if (!real || offset != 0 || members[1].offset != half || size != 2 * half) return {};
  return text("'", descr[1], 'c', size, "'");
}

std::string compound(hid_t type, int depth) {
  const int count = H5Tget_nmembers(type);
  if (count < 0) throw NpyTypeError("a compound that libhdf5 cannot read");
  std::vector<Member> members;
  members.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i)
    members.push_back(member_of(type, static_cast<unsigned>(i), depth));
  const std::size_t size = H5Tget_size(type);
  if (const auto number = complex_number(members, size)) return *number;
  std::ranges::stable_sort(members, {}, &Member::offset);
  std::string fields;
  std::size_t end = 0;
  const auto pad_to = [&](std::size_t offset) {
    if (offset < end) throw NpyTypeError("a compound whose members overlap");
    if (offset > end) fields += text("('', '|V", offset - end, "'), ");
  };
  for (const Member& member : members) {
    pad_to(member.offset);
    fields += text("(", quote(member.name), ", ", member.descr, "), ");
    end = member.offset + member.size;
  }
  pad_to(size);
  return text("[", fields, "]");
}

std::string descr_of(hid_t type, int depth) {
  if (depth > deepest) throw NpyTypeError(text("types within types, more than ", deepest, " deep"));
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      return integer(type, H5Tget_sign(type) == H5T_SGN_NONE ? 'u' : 'i');
    case H5T_BITFIELD:
      return integer(type, 'u');
    case H5T_FLOAT:
      return real(type);
    case H5T_ENUM:
      return enumeration(type, depth);
    case H5T_COMPOUND:
      return compound(type, depth);
    case H5T_ARRAY:
      return array(type, depth);
    case H5T_OPAQUE:
      return opaque(type);
    case H5T_STRING:
      if (H5Tis_variable_str(type) > 0)
        throw NpyTypeError("strings of variable length, which lie elsewhere in the file");
      return text("'|S", H5Tget_size(type), "'");
    case H5T_VLEN:
      throw NpyTypeError("sequences of variable length, which lie elsewhere in the file");
    case H5T_REFERENCE:
      throw NpyTypeError("references to other objects of the file");
    case H5T_TIME:
      throw NpyTypeError("times, which no program can read");
    default:
      throw NpyTypeError("elements of a type that is not known");
  }
}

}  // namespace

ElementType read_type(hid_t type) {
  ElementType element;
  Id base(H5Tcopy(type));
  for (int depth = 0; depth < deepest && H5Tget_class(base) == H5T_ARRAY; ++depth) {
    const std::vector<std::int64_t> extents = array_extents(base);
    element.extents.insert(element.extents.end(), extents.begin(), extents.end());
    base = Id(H5Tget_super(base));
  }
  try {
    element.type = parse_npy_type(parse_literal(descr_of(base, 0)));
  } catch (const LiteralError& error) {
    throw NpyTypeError(text("an element type with ", error.what()));
  }
  if (element.type.itemsize != static_cast<std::int64_t>(H5Tget_size(base)))
    throw NpyTypeError("an element type whose members are not as large as it is");
  return element;
}

}  // namespace multibuffer::files::hdf5
