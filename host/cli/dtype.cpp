#include "host/cli/dtype.hpp"

#include <multibuffer/error.hpp>

#include "host/files/python_literal.hpp"
#include "host/interop/numpy_type.hpp"
#include "host/support/text.hpp"

#include <optional>

namespace multibuffer::cli {

files::NpyType parse_dtype(std::string_view given) {
  const std::optional<Format> format = format_of_dtype_name(given);
  if (!format)
    throw Failure(
        Errc::invalid_argument,
        text(
            "--dtype ", given,
            ": there are bool, int8 to int64, uint8 to uint64, float16, float32, float64, "
            "complex64, complex128, datetime64[s] and its like, and type strings of these, such as "
            "'>f4'"));
  const Type& type = format->type();
  if (!has_standard_codes(type) && !is_date(type))
    throw Failure(Errc::invalid_argument,
                  text("--dtype ", given,
                       ": .npy files have no such type, and hold its elements as raw bytes, '",
                       type_string(type), "'; float32 holds its numbers"));
  return {
      .descr = files::quote(type_string(type)), .format = format->text(), .itemsize = type.size};
}

}  // namespace multibuffer::cli
