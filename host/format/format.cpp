#include <multibuffer/error.hpp>
#include <multibuffer/format.hpp>

#include "host/format/parse.hpp"
#include "host/support/text.hpp"

#include <string>
#include <utility>

namespace multibuffer {

Format::Format() : text_("B"), itemsize_(1) {}

Format::Format(std::string_view format, std::int64_t itemsize)
    : text_(format), itemsize_(itemsize) {
  if (itemsize < 1)
    throw Failure(Errc::invalid_view, multibuffer::text("itemsize ", itemsize, " is less than 1"));
  const Reading narrow = read_format(text_, itemsize, false);
  const Reading wide = narrow.complaint.empty() ? narrow : read_format(text_, itemsize, true);
  const Reading& reading = wide.complaint.empty() ? wide : narrow;
  type_ = reading.type;
  why_opaque_ = reading.complaint;
  has_objects_ = reading.has_objects;
}

const Type& Format::type() const {
  if (opaque()) throw Failure(Errc::format_unsupported, why_opaque_);
  return type_;
}

Format Format::bytes(std::int64_t itemsize, std::string why, bool has_objects) {
  Format result(multibuffer::text(itemsize, 's'), itemsize);
  result.why_opaque_ = std::move(why);
  result.has_objects_ = has_objects;
  return result;
}

}  // namespace multibuffer
