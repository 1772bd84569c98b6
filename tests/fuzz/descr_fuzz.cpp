#include <multibuffer/format.hpp>

#include "host/files/npy_type.hpp"
#include "host/files/python_literal.hpp"
#include "tests/fuzz/targets.hpp"

#include <string>

namespace multibuffer::fuzz {

void descr(Bytes bytes) {
  // Literals are UTF-8. Headers of versions 1 and 2 are Latin-1, of which any bytes are.
  std::string given;
  for (const std::uint8_t byte : bytes) files::append_utf8(given, byte);
  try {
    const files::NpyType type = files::parse_npy_type(files::parse_literal(given));
    // The same type is read of what would be written for it.
    const files::NpyType again = files::parse_npy_type(files::parse_literal(type.descr));
    require(
        again.descr == type.descr && again.format == type.format && again.itemsize == type.itemsize,
        type.descr, " is read as ", again.descr);
    if (type.itemsize < 1) return;
    const Format format(type.format, type.itemsize);
    require(!format.opaque(), type.descr, " becomes the opaque format '", type.format,
            "': ", format.why_opaque());
  } catch (const files::LiteralError&) {
  } catch (const files::NpyTypeError&) {
  }
}

}  // namespace multibuffer::fuzz
