#include <multibuffer/error.hpp>
#include <multibuffer/format.hpp>

#include "tests/fuzz/targets.hpp"
#include "tests/testing/random_array.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace multibuffer::fuzz {
namespace {

/// All that a type names lies within its elements.
void check_fields(const Type& type) {
  require(type.size >= 0 && type.alignment >= 1, "a type of ", type.size, " bytes");
  if (!type.is_struct) return;
  for (const Field& field : type.fields) {
    Wide bytes = field.type.size;
    for (const std::int64_t extent : field.shape) {
      require(extent >= 0, "a negative extent");
      bytes *= extent;
    }
    require(field.offset >= 0 && field.offset + bytes <= type.size, "the field ", field.name,
            " lies outside of its element");
    check_fields(field.type);
  }
}

/// A format that was made of a type means that type.
void check_round_trip(const Type& type) {
  if (type.size < 1) return;
  const Format spelt = format_of(type);
  if (spelt.opaque()) return;
  require(spelt.itemsize() == type.size, "'", spelt.text(), "' has another size");
  require(same_meaning(spelt.type(), type), "'", spelt.text(), "' means another type");
  require(format_of(spelt.type()).text() == spelt.text(), "'", spelt.text(), "' is not stable");
}

}  // namespace

void format(Bytes bytes) {
  testing::Random random(bytes);
  const std::int64_t itemsize = random.between(0, 300);
  const Bytes rest = random.rest();
  const std::string given(rest.begin(), rest.end());

  std::int64_t parsed_size = -1;
  try {
    const Type type = parse_format(given);
    parsed_size = type.size;
    check_fields(type);
    check_round_trip(type);
  } catch (const Error& error) {
    require(error.code() == Errc::invalid_format, "parse_format threw ", error.what());
  }
  try {
    const Format read(given, itemsize == 0 ? parsed_size : itemsize);
    if (!read.opaque()) {
      require(read.type().size == read.itemsize(), "'", given, "' is not as large as it says");
      check_fields(read.type());
      check_round_trip(read.type());
    }
    if (read.itemsize() <= 256) {
      const std::vector<std::byte> element(static_cast<std::size_t>(read.itemsize()),
                                           std::byte{0x7f});
      require(!show_element(read, element.data()).empty(), "an element without text");
    }
  } catch (const Error& error) {
    require(error.code() == Errc::invalid_view, "Format threw ", error.what());
  }
}

}  // namespace multibuffer::fuzz
